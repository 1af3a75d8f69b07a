package cookiestore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/cookiestore/internal/payload"
)

// FuzzVerify feeds any value to a store and a signer: they accept what they
// have signed themselves, refuse the rest with a reason, and never panic.
func FuzzVerify(f *testing.F) {
	store, err := New(key1, WithFallbackKeys(key2))
	if err != nil {
		f.Fatal(err)
	}
	for _, data := range []string{`{}`, `{"a":1}`, `{"a":"` + strings.Repeat("x", 2000) + `"}`, `[]`, "\xff"} {
		value := store.signer.signData("s", []byte(data), signedAt, payload.Compression{Over: defaultCompressOver})
		f.Add(value, false)
		payload, _, _ := strings.Cut(value, ":")
		f.Add(payload, true)
	}
	for _, seed := range []string{"", ":", "::", "a:b:c", ".:1:x", "e30:1:"} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, value string, sign bool) {
		// Signed, hostile payloads reach what comes after the signature.
		if sign {
			value = store.signer.Sign("s", value, signedAt)
		}
		rec, err := store.Load(t.Context(), "s", value)
		if _, verr := store.signer.Verify("s", value); sign && verr != nil {
			t.Fatalf("refuses what it signed: %v", verr)
		}
		if err != nil {
			if !IsRefused(err) || reasonOf(err) == "refused" {
				t.Fatalf("no refusal with a reason: %v", err)
			}
			return
		}
		if len(rec.Data) > defaultMaxInflated {
			t.Fatalf("%d bytes inflated", len(rec.Data))
		}
		rec.Saved = time.Time{}
		found := new(contents)
		err = defaultPolicy.restore(rec, time.Now(), found)
		s := Session{lifecycle{contents: found}}
		switch {
		case err == nil && !json.Valid([]byte(rec.Data)):
			t.Fatalf("accepts %q", rec.Data)
		case err != nil && !IsRefused(err):
			t.Fatalf("no refusal: %v", err)
		case err == nil:
			for key := range s.All() {
				s.Get(key)
			}
		}
	})
}

// FuzzCookieHeader sends any Cookie field through the middleware. The session is
// that of the first good cookie of its name, as net/http sees the cookies too,
// and the answer is a page in any case.
func FuzzCookieHeader(f *testing.F) {
	store, err := New(key1)
	if err != nil {
		f.Fatal(err)
	}
	const good = "e30:1xocE4:x"
	for _, seed := range []string{
		"", "s=", "s=GOOD", "s=x; s=GOOD", "a=b;s=GOOD;c", `s="GOOD"`, "S=GOOD", "s =GOOD", "s=GOOD ; ", "s=GOOD=", "ss=GOOD; s=GOOD", "\x00", "s=\xff;s=GOOD",
	} {
		f.Add(strings.ReplaceAll(seed, "GOOD", good))
		f.Add(seed)
	}
	value, _, err := store.Save(f.Context(), "s", Record{Data: `{"n":7}`, Saved: signedAt})
	if err != nil {
		f.Fatal(err)
	}
	handler := Middleware(store, WithName("s"), WithClock(func() time.Time { return signedAt }), WithLogger(slog.New(slog.DiscardHandler)))(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := FromContext(r.Context())
			if s.IsNew() != s.IsEmpty() {
				w.WriteHeader(http.StatusTeapot)
			}
			s.Set("seen", Get(s, "n", 0))
		}))
	f.Fuzz(func(t *testing.T, header string) {
		if strings.ContainsAny(header, "\r\n") {
			return // it would be two fields
		}
		header = strings.ReplaceAll(header, "GOOD", value)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", header)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK || len(w.Result().Cookies()) != 1 {
			t.Fatalf("%d %q", w.Code, w.Header())
		}
		rec, err := store.Load(t.Context(), "s", w.Result().Cookies()[0].Value)
		if err != nil {
			t.Fatal(err)
		}
		var values []string
		for v := range cookieValues([]string{header}, "s") {
			values = append(values, v)
		}
		if len(values) > maxDuplicates {
			values = values[:maxDuplicates]
		}
		found := slices.Contains(values, value)
		if want := `{"n":7,"seen":7}`; found != (rec.Data == want) {
			t.Fatalf("found is %v, and the session %s", found, rec.Data)
		}
		// What net/http takes for our cookie is taken for it here, too.
		for i, c := range r.CookiesNamed("s") {
			if i < maxDuplicates && c.Value != "" && !strings.Contains(c.Value, "%") && !slices.Contains(values, c.Value) && len(values) < maxDuplicates {
				t.Fatalf("%q is not among %q", c.Value, values)
			}
		}
	})
}

// FuzzChunks sends any cookies of a session's names through a manager. A session is what
// was saved, whole, or there is none; and no cookie is deleted that can't be a chunk.
func FuzzChunks(f *testing.F) {
	store, err := New(key1)
	if err != nil {
		f.Fatal(err)
	}
	m, err := NewManager(store, WithName("s"), WithChunks(maxChunks), WithMaxCookieSize(160),
		WithClock(func() time.Time { return signedAt }), WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		f.Fatal(err)
	}
	saved := map[string]bool{"{}": true} // what may come of it
	var chunks []string                  // "GOOD0" to "GOOD9" stand for these
	for _, size := range []int{1, 40, 70, 100} {
		var s Session
		s.Set("a", strings.Repeat("x", size))
		cookies, err := m.Save(f.Context(), &s)
		if err != nil {
			f.Fatal(err)
		}
		text, err := s.MarshalJSON()
		if err != nil {
			f.Fatal(err)
		}
		saved[string(text)] = true
		for _, c := range cookies {
			chunks = append(chunks, c.Value)
		}
	}
	chunks = chunks[:10]
	for _, seed := range []string{
		"", "s=GOOD0", "s=GOOD1; s-1=GOOD2", "s=GOOD3;s-1=GOOD4;s-2=GOOD5", "s=GOOD6;s-1=GOOD4;s-2=GOOD5", "s-1=GOOD2", "s=GOOD2; s-1=GOOD2",
		"s=GOOD1; s=GOOD3; s-1=GOOD2; s-1=GOOD4; s-2=GOOD5", "s=0.1.AAAAAAAA.GOOD0", "s=0.9.AAAAAAAA.x", "s=....................", "s-1=GOOD21; s=GOOD1",
		"s-9=GOOD2", "s-10=GOOD2", "s-x=1", "s-=GOOD2", "s-1=", `s="GOOD1"; s-1="GOOD2"`, "s -1=GOOD2; s=GOOD1", "s-1 = GOOD2 ; s = GOOD1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		sent := header
		for i, chunk := range chunks {
			sent = strings.ReplaceAll(sent, fmt.Sprint("GOOD", i), chunk)
		}
		s, err := m.Load(t.Context(), sent)
		if err != nil {
			t.Fatal(err)
		}
		text, err := s.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if !saved[string(text)] {
			t.Fatalf("%q is not a session that was saved", text)
		}
		s.Set("b", 1)
		cookies, err := m.Save(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cookies {
			if c.MaxAge < 0 && !strings.Contains(sent, c.Name) {
				t.Fatalf("%s is deleted, and was not sent in %q", c.Name, sent)
			}
		}
	})
}

// FuzzSession runs a program of changes against a map that encoding/json keeps.
func FuzzSession(f *testing.F) {
	f.Add([]byte("sa1sb2da"), `{"a":1,"z":null}`)
	f.Add([]byte("uacafpa"), `{"\u00e9":"x"}`)
	f.Fuzz(func(t *testing.T, program []byte, start string) {
		var s Session
		model := map[string]any{}
		found := new(contents)
		if err := defaultPolicy.restore(Record{Data: start}, time.Now(), found); err == nil {
			s.contents = found
			if strings.Contains(start, `\u`) || json.Unmarshal([]byte(start), &model) != nil {
				return
			}
		}
		for len(program) >= 3 {
			op, key, value := program[0], string(rune(program[1])), int(program[2])
			program = program[3:]
			switch op % 6 {
			case 0, 1:
				s.Set(key, value)
				model[key] = float64(value)
			case 2:
				s.Delete(key)
				delete(model, key)
			case 3:
				s.Pop(key)
				delete(model, key)
			case 4:
				s.SetDefault(key, value)
				if _, ok := model[key]; !ok {
					model[key] = float64(value)
				}
			case 5:
				s.Clear()
				clear(model)
			}
			if _, ok := model[key]; ok != s.Has(key) {
				t.Fatalf("key %q is there: %v", key, s.Has(key))
			}
		}
		got, err := s.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var back map[string]any
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		a, _ := json.Marshal(back)
		b, _ := json.Marshal(model)
		if !bytes.Equal(a, b) {
			t.Fatalf("%s is not %s", a, b)
		}
	})
}
