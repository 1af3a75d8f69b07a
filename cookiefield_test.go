package cookiestore

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

// answering is a store that answers each Save with this value, and knows no session.
type answering string

func (a answering) Load(context.Context, string, string) (Record, error) {
	return Record{}, ErrNoSession
}

func (a answering) Save(context.Context, string, Record) (value, version string, err error) {
	return string(a), "", nil
}
func (a answering) Delete(context.Context, string, string, string) error { return nil }
func (a answering) ClearExpired(context.Context) error                   { return nil }

// asked is a store that notes for which values it is asked.
type asked struct {
	answering
	values []string
}

func (a *asked) Load(_ context.Context, _, value string) (Record, error) {
	a.values = append(a.values, value)
	return Record{}, ErrNoSession
}

// Browsers and proxies write a Cookie field in many ways. Only a pair of exactly that
// name, with a value, is a session's.
func TestCookieFields(t *testing.T) {
	for _, test := range []struct {
		name   string
		fields []string
		want   []string
	}{
		{"one cookie", []string{"sessionid=x"}, []string{"x"}},
		{"after another", []string{"a=b; sessionid=x"}, []string{"x"}},
		{"before another", []string{"sessionid=x; a=b"}, []string{"x"}},
		{"without a space", []string{"a=b;sessionid=x;c=d"}, []string{"x"}},
		{"with spaces and tabs around", []string{" \tsessionid=x\t ;  a=b"}, []string{"x"}},
		{"with a semicolon at the end", []string{"sessionid=x;"}, []string{"x"}},
		{"between semicolons alone", []string{";;sessionid=x;;"}, []string{"x"}},
		{"twice", []string{"sessionid=x; sessionid=y"}, []string{"x", "y"}},
		{"in two fields", []string{"sessionid=x", "a=b; sessionid=y"}, []string{"x", "y"}},
		{"with an equals sign in the value", []string{"sessionid=x=y=="}, []string{"x=y=="}},
		{"a value of one character", []string{"sessionid=="}, []string{"="}},
		{"a longer name", []string{"sessionid2=x"}, nil},
		{"a longer name before it", []string{"sessionid2=x; sessionid=y"}, []string{"y"}},
		{"a name that ends the same", []string{"xsessionid=x"}, nil},
		{"a shorter name", []string{"session=x"}, nil},
		{"a name in capitals", []string{"SESSIONID=x"}, nil},
		{"no name", []string{"=x"}, nil},
		{"no value", []string{"sessionid="}, nil},
		{"no value, and then one", []string{"sessionid=; sessionid=x"}, []string{"x"}},
		{"no equals sign", []string{"sessionid"}, nil},
		{"a space for an equals sign", []string{"sessionid x"}, nil},
		{"a space before the equals sign", []string{"sessionid =x"}, []string{"x"}},
		{"in another cookie's value", []string{"a=sessionid=x"}, nil},
		{"an empty field", []string{""}, nil},
		{"no field", nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := &asked{}
			m, err := NewManager(store, WithLogger(slog.New(slog.DiscardHandler)))
			require.NoError(t, err)
			s, err := m.Load(t.Context(), test.fields...)
			require.NoError(t, err)
			require.Equal(t, len(test.want) > 0, s.Refused() != nil)
			require.Equal(t, test.want, store.values)
		})
	}
}
