package docs

import (
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/dbsc"
	"example.com/cookiestore/dbstore"
	"example.com/cookiestore/sessiontest"
)

// What format.md shows was signed with this key, by Django, at that time.
const djangoKey = "r_iGp@58WAm!dX3a5ID)nOdcd*bWB2d^C4@(DSDC6Lc1-mxLpQ"

var (
	signedAt = time.Unix(1528093791, 0)
	clock    = cookiestore.WithClock(func() time.Time { return signedAt })
)

func formatPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("format.md")
	require.NoError(t, err)
	return string(text)
}

func TestTheFormatsExamplesAreRead(t *testing.T) {
	page := formatPage(t)
	store, err := cookiestore.New([]byte(djangoKey), cookiestore.WithDjango())
	require.NoError(t, err)
	whole := regexp.MustCompile(`(?m)^    (eyJ\S+)$`).FindStringSubmatch(page)
	require.NotNil(t, whole)
	var chunks []*http.Cookie
	for _, found := range regexp.MustCompile(`(?m)^    (sessionid\S*)=(\S+)$`).FindAllStringSubmatch(page, -1) {
		chunks = append(chunks, &http.Cookie{Name: found[1], Value: found[2]})
	}
	require.Len(t, chunks, 2)
	for _, cookies := range [][]*http.Cookie{{{Name: "sessionid", Value: whole[1]}}, chunks} {
		session := sessiontest.Session(t, store, cookies, clock, cookiestore.WithChunks(2))
		require.Equal(t, 1, cookiestore.Get(session, "num_visits", 0))
		require.Equal(t, signedAt, session.SavedAt())
	}
	var pieces string
	for _, c := range chunks {
		pieces += strings.SplitN(c.Value, ".", 4)[3]
	}
	require.Equal(t, whole[1], pieces)
}

func TestChunksAreAsTheFormatSays(t *testing.T) {
	store, err := cookiestore.New([]byte(djangoKey), cookiestore.WithCompressionOver(-1))
	require.NoError(t, err)
	chunks := sessiontest.Cookies(t, store, map[string]any{"cart": strings.Repeat("tea ", 2000)}, clock, cookiestore.WithChunks(8))
	require.Len(t, chunks, 3)
	var whole string
	for _, c := range chunks {
		whole += strings.SplitN(c.Value, ".", 4)[3]
	}
	for place, name := range []string{"sessionid", "sessionid-1", "sessionid-2"} {
		require.Equal(t, name, chunks[place].Name)
		head := strconv.Itoa(place) + ".3." + whole[len(whole)-8:] + "."
		require.True(t, strings.HasPrefix(chunks[place].Value, head), "%.20s", chunks[place].Value)
	}
	signer, err := cookiestore.NewSigner([]byte(djangoKey))
	require.NoError(t, err)
	_, err = signer.Verify("sessionid", whole)
	require.NoError(t, err, "there is one signature, in which the name is the first cookie's")
}

func TestARecordsCookieIsAsTheFormatSays(t *testing.T) {
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "sessions.db"))
	require.NoError(t, err)
	defer db.Close()
	records, err := dbstore.New(db, []byte(djangoKey))
	require.NoError(t, err)
	require.NoError(t, records.CreateTable(t.Context()))
	cookies, err := cookiestore.New([]byte(djangoKey), cookiestore.WithCompressionOver(-1))
	require.NoError(t, err)
	cookie := sessiontest.Cookie(t, cookiestore.Spill(cookies, records), map[string]any{"cart": strings.Repeat("tea ", 2000)})
	form := regexp.MustCompile(`^~[a-z0-9]{32}$`)
	require.Regexp(t, form, cookie.Value)
	shown := regexp.MustCompile(`(?m)^    (~.*)$`).FindStringSubmatch(formatPage(t))
	require.NotNil(t, shown)
	require.Regexp(t, form, shown[1])
	own := &http.Cookie{Name: cookie.Name, Value: cookie.Value[1:]}
	require.True(t, sessiontest.Session(t, records, []*http.Cookie{own}).Has("cart"), "the rest is the record's own")
}

func TestTheKeysAreAsTheFormatSays(t *testing.T) {
	store, err := cookiestore.New([]byte(djangoKey))
	require.NoError(t, err)
	sessions, err := cookiestore.NewManager(store, clock, cookiestore.WithLifetime(24*time.Hour),
		cookiestore.WithRevocations(cookiestore.NewMemoryRevocations(), "user"))
	require.NoError(t, err)
	binder, err := dbsc.New(sessions, []byte(djangoKey))
	require.NoError(t, err)
	w := httptest.NewRecorder()
	sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session := cookiestore.FromContext(r.Context())
		session.SetExpiry(cookiestore.After(time.Hour))
		session.AddFlash("Saved.")
		binder.Offer(w, r)
	})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))

	payload, _, _ := strings.Cut(w.Result().Cookies()[0].Value, ":")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	require.NoError(t, err)
	var dictionary map[string]any
	require.NoError(t, json.Unmarshal(text, &dictionary))
	for key := range dictionary {
		require.Contains(t, formatPage(t), "| `"+key+"` |")
	}
	require.Len(t, dictionary, 5, "the keys that the page names")
	require.EqualValues(t, 3600, dictionary["_session_expiry"])
	require.EqualValues(t, signedAt.Unix(), dictionary["_session_created"])
	require.Equal(t, []any{"Saved."}, dictionary["_flash"])
	const id = `[\w-]{22}`
	require.Regexp(t, `^`+id+`\.`+strconv.FormatInt(signedAt.Unix(), 10)+`$`, dictionary["_dbsc"])

	parts := strings.Split(dictionary["_session_id"].(string), ".")
	require.Len(t, parts, 3)
	require.Regexp(t, `^`+id+`$`, parts[0])
	began, err := strconv.ParseInt(parts[1], 36, 64)
	require.NoError(t, err)
	require.Equal(t, signedAt, time.UnixMicro(began).Truncate(time.Second))
	latest, err := strconv.ParseInt(parts[2], 36, 64)
	require.NoError(t, err)
	require.Equal(t, signedAt.Add(time.Hour), time.Unix(latest, 0))
}
