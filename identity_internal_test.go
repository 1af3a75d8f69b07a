package cookiestore

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What a request is about to end stays what it is while another goroutine of the handler
// cycles the key, or flushes the session.
func TestWhatIsToBeEndedIsNotChangedMeanwhile(t *testing.T) {
	for name, meanwhile := range map[string]func(*Session, *policy){
		"the key is cycled":      func(s *Session, rules *policy) { s.renewIdentity(rules) },
		"the session is flushed": func(s *Session, _ *policy) { s.flush() },
	} {
		t.Run(name, func(t *testing.T) {
			room := func(ids ...string) []identity { // to append in place
				all := make([]identity, 0, 8)
				for _, id := range ids {
					all = append(all, identity{id: id})
				}
				return all
			}
			rules := &policy{now: time.Now, moments: new(moments)}
			s := &Session{lifecycle{contents: &contents{
				identity: &identity{id: "own"},
				others:   &otherCookies{cycled: room("cycled"), twinIDs: room("twin"), leftIDs: room("left")},
			}}}
			ids := s.liveIDs()
			before := slices.Clone(ids)
			require.Len(t, ids, 3)
			meanwhile(s, rules)
			require.Equal(t, before, ids)
		})
	}
}
