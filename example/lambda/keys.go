package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"example.com/cookiestore"
)

// keys returns the signing key and those that only verify, from the environment or
// from AWS Secrets Manager.
func keys(ctx context.Context, getenv func(string) string) (key []byte, fallbacks [][]byte, err error) {
	where, texts := "SESSION_KEY", append([]string{getenv("SESSION_KEY")}, list(getenv("SESSION_FALLBACK_KEYS"))...)
	if id := getenv("SESSION_SECRET_ID"); id != "" {
		where = "the secret " + id
		secret, err := secret(ctx, getenv, id)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", where, err)
		}
		texts = list(secret)
	}
	if len(texts) == 0 {
		return nil, nil, fmt.Errorf("%s: it is empty", where)
	}
	for i, text := range texts {
		k, err := cookiestore.ParseKey(text)
		if err != nil {
			return nil, nil, fmt.Errorf("%s, key %d: %w", where, i+1, err)
		}
		fallbacks = append(fallbacks, k)
	}
	return fallbacks[0], fallbacks[1:], nil
}

func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
}

// secret asks the AWS Parameters and Secrets Lambda Extension, which has to be one of
// the function's layers. It listens on the loopback interface and caches for five
// minutes.
func secret(ctx context.Context, getenv func(string) string, id string) (string, error) {
	port := getenv("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT")
	if port == "" {
		port = "2773"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost:"+port+"/secretsmanager/get?secretId="+url.QueryEscape(id), nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("X-Aws-Parameters-Secrets-Token", getenv("AWS_SESSION_TOKEN"))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the extension answers %s", response.Status)
	}
	var answer struct{ SecretString string }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return "", errors.New("the extension's answer is not JSON") // which might quote it
	}
	return answer.SecretString, nil
}
