package dbstore

import (
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

// Times are in UTC, whatever the time zone of the connection or of the driver.
func TestTimeZones(t *testing.T) {
	inPostgres := func(zone string) database {
		return postgresWith("timezone="+zone, map[string]string{"timezone": zone})
	}
	east, err := time.LoadLocation("Asia/Tokyo")
	require.NoError(t, err)
	for _, d := range []database{
		inPostgres("Asia/Tokyo"),
		inPostgres("America/New_York"),
		mysqlWith("time_zone", map[string]string{"time_zone": "'-08:00'"}, false),
		mysqlConfigured("parseTime", func(_ testing.TB, c *mysql.Config) { c.ParseTime = true }),
		mysqlConfigured("parseTime and loc", func(_ testing.TB, c *mysql.Config) { c.ParseTime, c.Loc = true, east }),
		mysqlConfigured("interpolateParams and loc", func(_ testing.TB, c *mysql.Config) { c.InterpolateParams, c.Loc = true, time.Local }),
	} {
		t.Run(d.name, func(t *testing.T) {
			now := time.Date(2026, 3, 29, 1, 30, 0, 123456000, time.UTC)
			store := newStore(t, d.open(t), WithClock(func() time.Time { return now }))
			key := store.insert(t, `{"a":1}`, now.In(east), time.Hour)
			row, err := store.Row(t.Context(), key)
			require.NoError(t, err)
			require.Equal(t, now.Add(time.Hour), row.ExpireDate)
			for entry, err := range store.All(t.Context()) {
				require.NoError(t, err)
				require.Equal(t, now.Add(time.Hour), entry.ExpireDate)
			}
			now = now.Add(time.Hour)
			require.NoError(t, store.ClearExpired(t.Context()))
			require.Equal(t, 1, store.count(t), "it ends now")
			now = now.Add(time.Microsecond)
			require.NoError(t, store.ClearExpired(t.Context()))
			require.Zero(t, store.count(t))
		})
	}
}
