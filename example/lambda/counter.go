package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"example.com/cookiestore"
)

// A counter counts the visits of each visitor.
type counter struct {
	sessions *cookiestore.Manager
}

// handle answers an event of any front.
func (c *counter) handle(ctx context.Context, e event) (response, error) {
	session, err := c.sessions.Load(ctx, e.cookies()...)
	if err != nil {
		return failed(ctx, &e, err), nil
	}
	name, err := e.query("name")
	if err != nil {
		return e.answer(http.StatusBadRequest, "The name is not encoded as it should be.\n", nil), nil
	}
	greeting := greet(session, name)
	cookies, err := c.sessions.Save(ctx, session)
	if err != nil {
		return failed(ctx, &e, err), nil
	}
	if len(cookies) > 1 && !e.takesCookies() {
		return failed(ctx, &e, errOneCookie), nil
	}
	return e.answer(http.StatusOK, greeting, cookies), nil
}

var errOneCookie = errors.New("the load balancer takes one cookie only: set lambda.multi_value_headers.enabled on its target group")

// failed answers where the session can't be loaded or saved. It sets no cookie,
// so the visitor keeps the session that was. An error returned to Lambda would
// be a 502, and without a text.
func failed(ctx context.Context, e *event, err error) response {
	slog.ErrorContext(ctx, "session failed", "error", err)
	return e.answer(http.StatusInternalServerError, "The session could not be saved, and nothing was changed.\n", nil)
}
