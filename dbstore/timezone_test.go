package dbstore

import (
	"database/sql"
	"net/url"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

// Times are in UTC, whatever the time zone of the connection or of the driver.
func TestTimeZones(t *testing.T) {
	inPostgres := func(zone string) func(t *testing.T) *sql.DB {
		return func(t *testing.T) *sql.DB {
			address, err := url.Parse(postgresDSN(t))
			require.NoError(t, err)
			query := address.Query()
			query.Set("timezone", zone)
			address.RawQuery = query.Encode()
			return open(t, "pgx", address.String())
		}
	}
	inMariaDB := func(change func(c *mysql.Config)) func(t *testing.T) *sql.DB {
		return func(t *testing.T) *sql.DB {
			config, err := mysql.ParseDSN(mysqlDSN(t))
			require.NoError(t, err)
			change(config)
			return open(t, "mysql", config.FormatDSN())
		}
	}
	east, err := time.LoadLocation("Asia/Tokyo")
	require.NoError(t, err)
	for _, test := range []struct {
		name string
		open func(t *testing.T) *sql.DB
	}{
		{"PostgreSQL, timezone=Asia/Tokyo", inPostgres("Asia/Tokyo")},
		{"PostgreSQL, timezone=America/New_York", inPostgres("America/New_York")},
		{"MariaDB, time_zone", inMariaDB(func(c *mysql.Config) { c.Params = map[string]string{"time_zone": "'-08:00'"} })},
		{"MariaDB, parseTime", inMariaDB(func(c *mysql.Config) { c.ParseTime = true })},
		{"MariaDB, parseTime and loc", inMariaDB(func(c *mysql.Config) { c.ParseTime, c.Loc = true, east })},
		{"MariaDB, interpolateParams and loc", inMariaDB(func(c *mysql.Config) { c.InterpolateParams, c.Loc = true, time.Local })},
	} {
		t.Run(test.name, func(t *testing.T) {
			now := time.Date(2026, 3, 29, 1, 30, 0, 123456000, time.UTC)
			store := newStore(t, test.open(t), WithClock(func() time.Time { return now }))
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
