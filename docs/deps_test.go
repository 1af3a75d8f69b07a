package docs

// What the snippets import.
import (
	_ "github.com/gorilla/securecookie"
	_ "github.com/gorilla/sessions"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	_ "example.com/cookiestore"
	_ "example.com/cookiestore/dbstore"
)
