module example.com/cookiestore/example/lambda

go 1.25

require (
	example.com/cookiestore v0.0.0
	github.com/aws/aws-lambda-go v1.54.0
	github.com/stretchr/testify v1.12.1
)

require go.yaml.in/yaml/v3 v3.0.5

replace example.com/cookiestore => ../../
