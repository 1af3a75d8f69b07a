package site

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"

	"example.com/cookiestore"
)

// A trace is what a request did to the visitor's session.
type trace struct {
	Before, After []line // the dictionary, in lines
	Changed       bool
	SetCookie     []string // the response's fields
	Log           []string
}

// A dictionaryPart is half of a trace for its template.
type dictionaryPart struct {
	Label string
	Lines []line
	New   bool
}

func (t trace) Old() dictionaryPart { return dictionaryPart{"The dictionary before", t.Before, false} }
func (t trace) New() dictionaryPart { return dictionaryPart{"The dictionary after", t.After, true} }

// A line of a dictionary is marked where the other dictionary has none like it.
type line struct {
	Text   string
	Marked bool
}

// traced has the page of a handler show what the request did to the session.
func traced(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		visitOf(r.Context()).before = dictionary(cookiestore.FromContext(r.Context()))
		h(w, r)
	})
}

// dictionary returns the session as JSON in lines. It is empty where the store can't
// load the session: the middleware then answers in place of the handler.
func dictionary(session *cookiestore.Session) string {
	data, err := session.MarshalJSON()
	if err != nil {
		return ""
	}
	return indent(string(data))
}

// trace ends a visit: it saves the session, sets its cookie, and says what changed.
func (v *visit) trace(w http.ResponseWriter, r *http.Request) (*trace, error) {
	session := cookiestore.FromContext(r.Context())
	cookies, err := v.site.sessions.Save(r.Context(), session)
	if err != nil {
		return nil, err
	}
	after := dictionary(session)
	t := &trace{
		Before:  marked(v.before, after),
		After:   marked(after, v.before),
		Changed: v.before != after,
		Log:     v.log,
	}
	for _, cookie := range cookies {
		http.SetCookie(w, cookie)
		t.SetCookie = append(t.SetCookie, cookie.String())
	}
	return t, nil
}

// marked returns the lines of a text, and marks those that another text lacks.
func marked(text, other string) []line {
	known := map[string]bool{}
	for one := range strings.SplitSeq(other, "\n") {
		known[strings.TrimSuffix(one, ",")] = true
	}
	var lines []line
	for one := range strings.SplitSeq(text, "\n") {
		lines = append(lines, line{one, !known[strings.TrimSuffix(one, ",")]})
	}
	return lines
}

// A visitLog writes to the server's log and, whatever the level, to the visit.
type visitLog struct{ slog.Handler }

func (h visitLog) Enabled(ctx context.Context, level slog.Level) bool {
	return visitOf(ctx) != nil || h.Handler.Enabled(ctx, level)
}

func (h visitLog) Handle(ctx context.Context, record slog.Record) error {
	if v := visitOf(ctx); v != nil {
		v.log = append(v.log, logLine(ctx, record))
	}
	if !h.Handler.Enabled(ctx, record.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, record)
}

// logLine is a line of a log without its time.
func logLine(ctx context.Context, record slog.Record) string {
	var out bytes.Buffer
	text := slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: record.Level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && len(groups) == 0 {
				return slog.Attr{}
			}
			return a
		},
	})
	_ = text.Handle(ctx, record) // a buffer takes everything
	return strings.TrimSpace(out.String())
}
