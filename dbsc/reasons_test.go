package dbsc

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// Counters know every reason before the first event.
func TestTheReasonsAreThoseOfEvents(t *testing.T) {
	for _, err := range []error{errUnbound, errWithdrawn, errStale, errReplayed, &unavailable{}, &forged{errors.New("another key")}, errors.New("another")} {
		require.Contains(t, cookiestore.EventReasons(cookiestore.EventRefused), reasonOf(err))
	}
}
