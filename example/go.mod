module example.com/cookiestore/example

go 1.25

require (
	example.com/cookiestore v0.0.0
	github.com/aws/aws-lambda-go v1.54.0
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.22.1
	github.com/gorilla/securecookie v1.1.2
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace example.com/cookiestore => ../
