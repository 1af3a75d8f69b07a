// Package otel counts what happens to sessions, for OpenTelemetry, and notes it in the
// request's span. Copy this file.
package otel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"example.com/cookiestore"
)

// Observer returns the function for [cookiestore.WithObserver] that counts events with the
// meter, and adds each to the span of the request if that is recorded. It serves any number
// of middlewares, whose cookies have these names: what counts them begins with zero, so that
// an alert sees the first failure. No attribute has a value that comes from a visitor, nor
// the text of an error, which may have dictionary keys.
func Observer(meter metric.Meter, cookies ...string) (func(context.Context, cookiestore.Event), error) {
	events, err1 := meter.Int64Counter("cookiestore.session.events", metric.WithUnit("{event}"),
		metric.WithDescription("What happened to sessions, and why."))
	conflicts, err2 := meter.Int64Counter("cookiestore.session.conflicts", metric.WithUnit("{conflict}"),
		metric.WithDescription("How often a session had been changed meanwhile, and was merged."))
	cookieSize, err3 := meter.Int64Histogram("cookiestore.cookie.size", metric.WithUnit("By"),
		metric.WithDescription("The Set-Cookie fields of a saved session."),
		metric.WithExplicitBucketBoundaries(128, 256, 512, 1024, 2048, 3072, 4096, 8192, 16384))
	chunks, err4 := meter.Int64Histogram("cookiestore.cookie.chunks", metric.WithUnit("{cookie}"),
		metric.WithDescription("How many cookies a saved session takes."),
		metric.WithExplicitBucketBoundaries(1, 2, 3, 4, 6, 8))
	jsonSize, err5 := meter.Int64Histogram("cookiestore.json.size", metric.WithUnit("By"),
		metric.WithDescription("The dictionary of a saved session, as JSON."),
		metric.WithExplicitBucketBoundaries(128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536))
	seconds, err6 := meter.Float64Histogram("cookiestore.store.duration", metric.WithUnit("s"),
		metric.WithDescription("The time that the store and the revocations took, in all, of a load or a save."),
		metric.WithExplicitBucketBoundaries(10e-6, 40e-6, 160e-6, 640e-6, 0.00256, 0.01024, 0.04096, 0.16384, 0.65536, 2.62144, 10.48576))
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		return nil, err
	}
	var known sync.Map // of attributes, by identity: making them anew takes longer than all else
	attributesOf := func(e cookiestore.Event) *attributes {
		id := identity{e.Cookie, e.Reason, e.Kind, e.Beside}
		found, ok := known.Load(id)
		if !ok {
			found, _ = known.LoadOrStore(id, newAttributes(id))
		}
		return found.(*attributes)
	}
	for _, cookie := range cookies {
		for _, kind := range []cookiestore.EventKind{
			cookiestore.EventLoaded, cookiestore.EventRefused, cookiestore.EventSaved, cookiestore.EventDeleted, cookiestore.EventFailed,
		} {
			for _, reason := range cookiestore.EventReasons(kind) {
				e := cookiestore.Event{Cookie: cookie, Kind: kind, Reason: reason}
				events.Add(context.Background(), 0, attributesOf(e).event...)
				if e.Beside = kind == cookiestore.EventRefused; e.Beside {
					events.Add(context.Background(), 0, attributesOf(e).event...)
				}
			}
		}
		conflicts.Add(context.Background(), 0, attributesOf(cookiestore.Event{Cookie: cookie, Kind: cookiestore.EventLoaded}).conflicts...)
	}
	return func(ctx context.Context, e cookiestore.Event) {
		a := attributesOf(e)
		events.Add(ctx, 1, a.event...)
		if e.Conflicts > 0 {
			conflicts.Add(ctx, int64(e.Conflicts), a.conflicts...)
		}
		if e.Kind == cookiestore.EventSaved {
			cookieSize.Record(ctx, int64(e.CookieBytes), a.cookie...)
			chunks.Record(ctx, int64(e.Chunks), a.cookie...)
			jsonSize.Record(ctx, int64(e.JSONBytes), a.cookie...)
		}
		if e.Took > 0 { // several events of one load have the time once
			seconds.Record(ctx, e.Took.Seconds(), a.kind...)
		}
		if span := trace.SpanFromContext(ctx); span.IsRecording() {
			all := slices.Clone(a.all)
			if e.Err != nil {
				all = append(all, attribute.String("exception.type", typeOf(e.Err)))
			}
			span.AddEvent("cookiestore.session."+string(e.Kind), trace.WithAttributes(all...))
		}
	}, nil
}

// typeOf is the type of the error that err wraps in the end: syscall.Errno, say.
func typeOf(err error) string {
	for {
		inner := errors.Unwrap(err)
		if several, ok := err.(interface{ Unwrap() []error }); ok && len(several.Unwrap()) > 0 {
			all := several.Unwrap()
			inner = all[len(all)-1] // the cause comes after what it means
		}
		if inner == nil {
			return fmt.Sprintf("%T", err)
		}
		err = inner
	}
}

// An identity is all that makes events count as the same.
type identity struct {
	cookie, reason string
	kind           cookiestore.EventKind
	beside         bool
}

// attributes are those of an event, and of what is measured by the cookie, or by that and
// the kind of the event.
type attributes struct {
	all              []attribute.KeyValue
	event, conflicts []metric.AddOption
	cookie, kind     []metric.RecordOption
}

func newAttributes(id identity) *attributes {
	cookie := attribute.String("cookiestore.cookie", id.cookie)
	kind := attribute.String("cookiestore.event", string(id.kind))
	all := []attribute.KeyValue{cookie, kind, attribute.String("cookiestore.reason", id.reason)}
	if id.beside {
		all = append(all, attribute.Bool("cookiestore.beside", true))
	}
	if id.kind == cookiestore.EventFailed {
		all = append(all, attribute.String("error.type", id.reason))
	}
	return &attributes{
		all:       all,
		event:     []metric.AddOption{metric.WithAttributes(all...)},
		conflicts: []metric.AddOption{metric.WithAttributes(cookie)},
		cookie:    []metric.RecordOption{metric.WithAttributes(cookie)},
		kind:      []metric.RecordOption{metric.WithAttributes(cookie, kind)},
	}
}
