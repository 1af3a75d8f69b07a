//go:build go1.27 && goexperiment.jsonv2

package jsonobject

import (
	"encoding/json/jsontext"
	"testing"

	"github.com/stretchr/testify/require"
)

type streamed struct{ Says, Inside string }

func (s streamed) MarshalJSONTo(e *jsontext.Encoder) error {
	return e.WriteToken(jsontext.String(s.Says))
}

// MarshalJSON does not count where MarshalJSONTo is.
func (s streamed) MarshalJSON() ([]byte, error) { return []byte(`"` + bad + `"`), nil }

type appended struct{ Says, Inside string }

func (a appended) AppendText(dst []byte) ([]byte, error) { return append(dst, a.Says...), nil }

// MarshalText does not count where AppendText is.
func (a appended) MarshalText() ([]byte, error) { return []byte(bad), nil }

type hiddenText struct{ A string }

func (hiddenText) MarshalText() ([]byte, error) { return []byte("ok"), nil }

type jsonAndText struct{ S string }

func (jsonAndText) MarshalJSON() ([]byte, error) { return []byte(`"\ufffd"`), nil }
func (jsonAndText) MarshalText() ([]byte, error) { return []byte(bad), nil }

func TestMethodsOfTheNewEncodingJSON(t *testing.T) {
	const mark = "\ufffd"
	for _, test := range []struct {
		name  string
		value any
		want  string // "" if it is refused
	}{
		{"MarshalJSONTo", []streamed{{mark, bad}}, `["�"]`},
		{"MarshalJSONTo that is not UTF-8", []streamed{{bad, ""}}, ``},
		{"MarshalJSONTo behind a pointer", &streamed{bad, ""}, ``},
		{"AppendText", []any{appended{mark, bad}}, `["�"]`},
		{"AppendText that is not UTF-8", []any{appended{bad, ""}}, ``},
		{"AppendText of a key", map[appended]int{{mark, bad}: 1}, `{"�":1}`},
		{"AppendText of a key that is not UTF-8", map[appended]int{{bad, ""}: 1}, ``},
		{"keys in interfaces", map[any]int{mark: 1}, `{"�":1}`},
		{"keys in interfaces that are not UTF-8", map[any]int{bad: 1}, ``},
		{"the value in an interface with a method", struct {
			A interface{ MarshalText() ([]byte, error) }
		}{jsonAndText{bad}}, `{"A":"\ufffd"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := AppendValue(nil, test.value)
			if test.want == "" {
				require.ErrorIs(t, err, ErrNotUTF8, string(got))
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, string(got))
		})
	}

	_, err := AppendValue(nil, struct {
		hiddenText `json:"x"`
		S          string
	}{hiddenText{bad}, mark})
	require.NotErrorIs(t, err, ErrNotUTF8)
}
