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
// key that nothing but secondFactor reads.
func (s *site) password(w http.ResponseWriter, r *http.Request) {
	name := r.PostFormValue("name")
	if !s.Password(name, r.PostFormValue("password")) {
		http.Error(w, "Wrong name or password.", http.StatusUnauthorized)
		return
	}
	session := cookiestore.FromContext(r.Context())
	session.CycleKey()
	session.Set(halfKey, pending{
		User: name, Next: LocalPath(r.FormValue("next")), Remember: r.PostFormValue("remember") == "on",
		Until: s.Now().Add(halfTime),
	})
	http.Redirect(w, r, "/second-factor", http.StatusSeeOther)
}

// secondFactor is the second step. Failures are counted by user, on the server: whoever has
// the password can send the cookie of the first step as often as they like.
func (s *site) secondFactor(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	half, err := cookiestore.Lookup[pending](session, halfKey)
	if err != nil || s.Now().After(half.Until) {
		http.Error(w, "Please begin with your password.", http.StatusUnauthorized)
		return
	}
	if !s.failures.begin(half.User, s.Now()) {
		http.Error(w, "Too many wrong codes. Please wait.", http.StatusTooManyRequests)
		return
	}
	if !s.SecondFactor(half.User, r.PostFormValue("code")) {
		http.Error(w, "Wrong code.", http.StatusUnauthorized)
		return
	}
	s.failures.forget(half.User)
	half.User = UserID("local", half.User)
	signIn(session, half)
	http.Redirect(w, r, half.Next, http.StatusSeeOther)
}

const (
	maxFailures  = 5
	failuresTime = 15 * time.Minute
)

// failures counts wrong codes, for one process. Only users whose password was right are in it.
type failures struct {
	mu    sync.Mutex
	users map[string]window
}

type window struct {
	n     int
	since time.Time
}

// begin counts an attempt as failed until forget is called, so that attempts at the same
// time count, too. It reports whether there may be another.
func (f *failures) begin(user string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.users[user]
	if now.Sub(w.since) >= failuresTime {
		w = window{since: now}
	}
	if w.n == maxFailures {
		return false
	}
	w.n++
	if f.users == nil {
		f.users = map[string]window{}
	}
	f.users[user] = w
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
