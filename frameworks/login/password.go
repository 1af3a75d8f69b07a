package login

import (
	"cmp"
	"fmt"
	"net/http"
	"sync"
	"time"

	"example.com/cookiestore"
)

// halfKey has a login whose second factor is pending.
const halfKey = "half_login"

// password is the first step. The session then knows who is about to sign in, under a
// key that nothing but secondFactor reads. The name is not looked at again: there are many
// ways to spell it, and one ID.
func (s *site) password(w http.ResponseWriter, r *http.Request) {
	userID, ok := s.Password(r.PostFormValue("name"), r.PostFormValue("password"))
	if !ok {
		http.Error(w, "Wrong name or password.", http.StatusUnauthorized)
		return
	}
	session := cookiestore.FromContext(r.Context())
	session.CycleKey()
	session.Set(halfKey, pending{
		Issuer: "local", Subject: userID, Since: s.Now(),
		Next: LocalPath(r.FormValue("next")), Remember: r.PostFormValue("remember") == "on",
	})
	http.Redirect(w, r, "/second-factor", http.StatusSeeOther)
}

// secondFactor is the second step. Failures are counted by user, on the server: whoever has
// the password can send the cookie of the first step as often as they like.
func (s *site) secondFactor(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	half, err := cookiestore.Lookup[pending](session, halfKey)
	if err != nil || s.Now().Sub(half.Since) > halfTime {
		http.Error(w, "Please begin with your password.", http.StatusUnauthorized)
		return
	}
	if !s.failures.begin(half.Subject, s.Now()) {
		http.Error(w, "Too many wrong codes. Please wait.", http.StatusTooManyRequests)
		return
	}
	if !s.SecondFactor(half.Subject, r.PostFormValue("code")) {
		http.Error(w, "Wrong code.", http.StatusUnauthorized)
		return
	}
	s.failures.forget(half.Subject)
	s.signIn(w, r, half)
}

// failures counts wrong codes, for one process. Only users whose password was right are in it.
type failures struct {
	mu    sync.Mutex
	users map[string]failed
}

type failed struct {
	n    int // since the last right code
	last time.Time
}

// pause is how long nobody may try again: 15 minutes after the fifth wrong code, and twice
// as long after each one that follows, up to a day.
func (f failed) pause() time.Duration {
	if f.n < 5 {
		return 0
	}
	return min(15*time.Minute<<min(f.n-5, 7), 24*time.Hour)
}

// begin counts an attempt as failed until forget is called, so that attempts at the same
// time count, too. It reports whether there may be another.
func (f *failures) begin(user string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.users[user]
	if now.Sub(before.last) < before.pause() {
		return false
	}
	if f.users == nil {
		f.users = map[string]failed{}
	}
	f.users[user] = failed{before.n + 1, now}
	return true
}

func (f *failures) forget(user string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.users, user)
}

// inputs are the fields that are not text. A box that is ticked sends "on".
var inputs = map[string]string{"password": "password", "remember": "checkbox"}

// form shows a form that is posted to the page's own address.
func form(fields ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintln(w, `<!DOCTYPE html><title>Sign in</title><form method="post">`)
		for _, field := range fields {
			fmt.Fprintf(w, "<label>%[1]s <input name=%[1]q type=%[2]q autocomplete=\"off\"></label>\n", field, cmp.Or(inputs[field], "text"))
		}
		fmt.Fprintln(w, `<button>Continue</button></form>`)
	}
}
