package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// packages are those that a snippet uses without an import declaration.
var packages = map[string]string{
	"atomic":       "sync/atomic",
	"bytes":        "bytes",
	"context":      "context",
	"cookiejar":    "net/http/cookiejar",
	"cookiestore":  "example.com/cookiestore",
	"dbstore":      "example.com/cookiestore/dbstore",
	"errors":       "errors",
	"fmt":          "fmt",
	"gob":          "encoding/gob",
	"io":           "io",
	"gorilla":      "example.com/cookiestore/gorilla",
	"http":         "net/http",
	"httptest":     "net/http/httptest",
	"json":         "encoding/json",
	"log":          "log",
	"os":           "os",
	"require":      "github.com/stretchr/testify/require",
	"securecookie": "github.com/gorilla/securecookie",
	"sessions":     "github.com/gorilla/sessions",
	"dbsc":         "example.com/cookiestore/dbsc",
	"sessiontest":  "example.com/cookiestore/sessiontest",
	"slices":       "slices",
	"slog":         "log/slog",
	"sql":          "database/sql",
	"strings":      "strings",
	"sync":         "sync",
	"synctest":     "testing/synctest",
	"template":     "html/template",
	"testing":      "testing",
	"time":         "time",
	"url":          "net/url",
}

// A program is made of a page's snippets, or is one of them.
type program struct {
	name   string // of its folder
	page   page
	source string

	serves bool     // it is a site, for the curl commands of the page
	tests  []string // that the page shows: it runs them
}

// shownAddress is where the programs of the pages listen.
const shownAddress = "127.0.0.1:8080"

// siteOf makes a program of a site, which here listens where ADDRESS says.
func siteOf(name string, p page, source string) program {
	source = strings.ReplaceAll(source, strconv.Quote(shownAddress), `os.Getenv("ADDRESS")`)
	return program{name: name, page: p, source: source, serves: true}
}

var test = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)

// programsOf makes programs of a page's snippets: of each that is one by itself; of all
// declarations, if main is among them; and of all that is left.
func programsOf(t *testing.T, p page) []program {
	t.Helper()
	var made []program
	var declarations, statements []block
	for _, b := range p.blocks {
		if b.language != "go" || !isThere(t, b.needs) {
			continue
		}
		switch {
		case strings.HasPrefix(b.text, "package "):
			made = append(made, siteOf(fmt.Sprintf("%s_line%d", p.name(), b.line), p, b.text))
		case isDeclarations(b.text):
			declarations = append(declarations, b)
		default:
			statements = append(statements, b)
		}
	}
	common := join(declarations)
	if strings.Contains(common, "func main()") {
		made = append(made, siteOf(p.name(), p, withImports(t, p, common)))
		common = ""
	}
	if common == "" && statements == nil {
		return made
	}
	source := common + prelude
	var calls strings.Builder
	for _, b := range statements {
		source += asFunction(t, p, b)
		if !b.compileOnly {
			fmt.Fprintf(&calls, "\trun(%q, snippet%d)\n", fmt.Sprintf("%s:%d", p.path, b.line), b.line)
		}
	}
	var tests []string
	for _, found := range test.FindAllStringSubmatch(common, -1) {
		tests = append(tests, found[1])
	}
	if tests != nil {
		calls.WriteString("\trunTests([]testing.InternalTest{\n")
		for _, name := range tests {
			fmt.Fprintf(&calls, "\t\t{%q, %s},\n", name, name)
		}
		calls.WriteString("\t})\n")
	}
	source += "func main() {\n\tbegin()\n" + calls.String() + "}\n"
	return append(made, program{name: p.name() + "_snippets", page: p, source: withImports(t, p, source), tests: tests})
}

// isDeclarations reports whether a snippet can stand at the top level of a file.
func isDeclarations(text string) bool {
	_, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+text, 0)
	return err == nil
}

func join(blocks []block) string {
	var text strings.Builder
	for _, b := range blocks {
		fmt.Fprintf(&text, "\n// line %d\n%s", b.line, b.text)
	}
	return text.String()
}

// asFunction makes a function of statements. A line "..." stands for the check of an
// error; here, the error that is left at the end is checked.
func asFunction(t *testing.T, p page, b block) string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(b.text) {
		if strings.TrimSpace(line) == "..." {
			line = "_ = err\n"
		}
		lines = append(lines, line)
	}
	text := strings.Join(lines, "")
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc f() {\n"+text+"}\n", parser.SkipObjectResolution)
	require.NoError(t, err, "%s:%d", p.path, b.line)
	for _, name := range declared(file.Decls[0].(*ast.FuncDecl).Body) {
		text += "_ = " + name + "\n"
		if name == "err" {
			text += "check(err)\n"
		}
	}
	return fmt.Sprintf("\nfunc snippet%d(v values) {\n\t%s\n\t{\n%s\t}\n}\n", b.line, unpack, text)
}

// declared are the names that the statements of a block declare, but for those inside of
// other blocks.
func declared(body *ast.BlockStmt) []string {
	names := map[string]bool{}
	for _, statement := range body.List {
		switch s := statement.(type) {
		case *ast.AssignStmt:
			for _, left := range s.Lhs {
				if name, ok := left.(*ast.Ident); ok && s.Tok == token.DEFINE && name.Name != "_" {
					names[name.Name] = true
				}
			}
		case *ast.DeclStmt:
			for _, spec := range s.Decl.(*ast.GenDecl).Specs {
				if value, ok := spec.(*ast.ValueSpec); ok {
					for _, name := range value.Names {
						names[name.Name] = true
					}
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// withImports makes a file of declarations.
func withImports(t *testing.T, p page, declarations string) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "", "package main\n"+declarations, parser.SkipObjectResolution)
	require.NoError(t, err, p.path)
	used := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			if name, ok := selector.X.(*ast.Ident); ok && packages[name.Name] != "" {
				used[name.Name] = true
			}
		}
		return true
	})
	var header strings.Builder
	header.WriteString("package main\n\nimport (\n")
	if used["dbstore"] {
		header.WriteString("\t_ \"github.com/jackc/pgx/v5/stdlib\"\n\t_ \"modernc.org/sqlite\"\n")
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		fmt.Fprintf(&header, "\t%q\n", packages[name])
	}
	return header.String() + ")\n" + declarations
}

// overlay tells go build where the programs would be: snippets/NAME/main.go.
func overlay(t *testing.T, dir string, programs []program) map[string]string {
	t.Helper()
	here, err := filepath.Abs(".")
	require.NoError(t, err)
	replace := map[string]string{}
	for _, p := range programs {
		replace[filepath.Join(here, "snippets", p.name, "main.go")] = filepath.Join(dir, p.name+".go")
	}
	return replace
}

// unpack gives a snippet of statements the names that it may use without declaring them.
const unpack = `w, r, ctx, session, key, newKey, oldKey, secretKey, fallbacks, store, mux, hashKey, blockKey, oldHashKey, oldBlockKey, newCodec, oldCodec, old, signer, value, db := ` +
	`v.w, v.r, v.r.Context(), v.session, v.key, v.newKey, v.oldKey, v.secretKey, v.fallbacks, v.store, v.mux, v.hashKey, v.blockKey, v.oldHashKey, v.oldBlockKey, v.newCodec, v.oldCodec, v.old, v.signer, v.value, v.db
	_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _ = w, r, ctx, session, key, newKey, oldKey, secretKey, fallbacks, store, mux, hashKey, blockKey, oldHashKey, oldBlockKey, newCodec, oldCodec, old, signer, value, db`

// prelude runs snippets of statements, each in a request with a new session.
const prelude = `
type values struct {
	w http.ResponseWriter
	r *http.Request
	session *cookiestore.Session
	key, newKey, oldKey []byte
	secretKey string
	fallbacks [][]byte
	store *cookiestore.CookieStore
	mux *http.ServeMux
	hashKey, blockKey, oldHashKey, oldBlockKey []byte
	newCodec, oldCodec cookiestore.Codec
	old *gorilla.Loader
	signer *cookiestore.Signer
	value string
	db *sql.DB // only if the page uses dbstore
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

// failing ends the program with what is logged as an error.
type failing struct{ slog.Handler }

func (f failing) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool { fmt.Fprintln(os.Stderr, a); return true })
	fmt.Fprintln(os.Stderr, r.Message)
	os.Exit(1)
	return nil
}

// What a test in a page has from the rest of its program.
var (
	store   = must(cookiestore.New(securecookie.GenerateRandomKey(32)))
	account = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !cookiestore.FromContext(r.Context()).Has("user_id") {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
)

// runTests ends the program. Main, unlike RunTests, also sets up what go test does.
func runTests(tests []testing.InternalTest) {
	all := func(_, _ string) (bool, error) { return true, nil }
	testing.Main(all, tests, nil, nil)
}

func begin() {
	slog.SetDefault(slog.New(failing{slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})}))
}

func openDB() *sql.DB {
	for _, driver := range sql.Drivers() {
		if driver == "sqlite" {
			db := must(sql.Open(driver, ":memory:"))
			db.SetMaxOpenConns(1) // each connection has a memory of its own
			return db
		}
	}
	return nil
}

func run(name string, snippet func(values)) {
	random := securecookie.GenerateRandomKey
	v := values{key: random(32), newKey: random(32), oldKey: random(32), secretKey: "Django's SECRET_KEY",
		fallbacks: [][]byte{[]byte("an older one")}, mux: http.NewServeMux(),
		hashKey: random(32), blockKey: random(32), oldHashKey: random(32), oldBlockKey: random(32)}
	v.store = must(cookiestore.New(v.key))
	v.signer = must(cookiestore.NewSigner(v.key))
	v.newCodec = must(gorilla.NewEncryptedCodec(v.hashKey, v.blockKey))
	v.oldCodec = must(gorilla.NewEncryptedCodec(v.oldHashKey, v.oldBlockKey))
	before := securecookie.CodecsFromPairs(v.hashKey, v.blockKey)
	v.old = must(gorilla.NewLoader(before...))
	v.db = openDB()
	v.value = must(securecookie.EncodeMulti("session-name", map[any]any{"user": 7}, before...))
	handler := cookiestore.Middleware(v.store)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.w, v.r, v.session = w, r, cookiestore.FromContext(r.Context())
		snippet(v)
	}))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	if w.Code >= 500 {
		panic(fmt.Sprint(name, ": ", w.Code, " ", w.Body))
	}
	fmt.Println("ran", name)
}
`
