package main

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"example.com/cookiestore"
	"example.com/cookiestore/inspect"
)

// hints says what is likely wrong with a value that is refused. text is what the value
// was found in. No hint shows a part of a value or a key.
func (c *command) hints(text, value string, r report) []string {
	names := otherNames(text, c.name)
	switch {
	case r.Key >= 0: // it is good, or the error says it all
		return nil
	case value == "" && len(names) > 0:
		return c.missingName(text, names)
	case value == "":
		return nil
	}
	if hint, ok := c.guess(value, c.likelyNames(names)); ok {
		return []string{hint}
	}
	if hint := formHint(value); hint != "" {
		return []string{hint}
	}
	if seen, err := inspect.Parse(value); err == nil && c.hasKeys() && !seen.Legacy {
		how := "signed"
		if seen.Encrypted {
			how = "encrypted"
		}
		return []string{"the value is complete: it was changed, or " + how + " with a key that is not given here, or for a cookie with another name (see -name), which is part of what is " + how}
	}
	return nil
}

func (c *command) hasKeys() bool {
	return c.keys.own != nil || c.keys.django != nil || c.keys.gorilla != nil
}

// otherNames returns the names of the other cookies in a header.
func otherNames(text, name string) (names []string) {
	pairs, isHeader := header(text)
	if !isHeader {
		return nil
	}
	for pair := range strings.SplitSeq(pairs, ";") {
		other, _, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if ok && other != "" && other != name && !slices.Contains(names, other) && len(names) < maxNames {
			names = append(names, other)
		}
	}
	return names
}

// maxNames bounds how many cookies' names are tried and shown.
const maxNames = 20

// missingName says which of a header's other cookies may be the session.
func (c *command) missingName(text string, names []string) []string {
	for _, name := range names {
		other := *c
		other.name = name
		value, err := other.choose(text)
		if err != nil {
			continue
		}
		if seen, err := inspect.Parse(value); other.look(value).Verified || err == nil && !seen.Legacy {
			return []string{fmt.Sprintf("the cookie %q looks like a session: add -name %s", name, name)}
		}
	}
	return []string{"the header's cookies are " + strings.Join(names, ", ")}
}

// The usual names of session cookies, and the prefixes that browsers have rules for.
var (
	usualNames = []string{"sessionid", "session", "sid", "session_id", "session-id", "sessid", "id", "_session", "user_session", "auth", "app_session"}
	prefixes   = []string{"", "__Host-", "__Secure-", "__Http-", "__Host-Http-"}
)

// likelyNames returns the names under which a value may have been signed, without the
// one of -name.
func (c *command) likelyNames(inHeader []string) []string {
	all := slices.Clone(inHeader)
	base := withoutPrefix(c.name)
	for _, name := range append([]string{base, strings.ToLower(base), strings.ToUpper(base)}, usualNames...) {
		for _, prefix := range prefixes {
			all = append(all, prefix+name)
		}
	}
	return slices.DeleteFunc(all, func(name string) bool { return name == c.name })
}

// withoutPrefix returns a cookie's name without the prefix that browsers have rules for.
// They take it in any case.
func withoutPrefix(name string) string {
	longest := ""
	for _, prefix := range prefixes {
		if len(prefix) > len(longest) && len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			longest = prefix
		}
	}
	return name[len(longest):]
}

// maxGuessed bounds the values that many keys and names are tried on. No cookie is longer.
const maxGuessed = 64 << 10

// guess looks for what would make the value verify: a key read in another way, the other
// format, another name.
func (c *command) guess(value string, names []string) (hint string, ok bool) {
	if len(value) > maxGuessed {
		return "", false
	}
	secrets := c.keys.guesses()
	var long []secret
	for _, s := range secrets {
		if len(s.bytes) >= cookiestore.MinKeySize {
			long = append(long, s)
		}
	}
	for _, salt := range []string{cookiestore.DjangoCookieSalt, cookiestore.DjangoDatabaseSalt} {
		signer, err := cookiestore.NewDjangoSigner(salt, decoy(), bytesOf(secrets)...)
		if err != nil {
			return "", false
		}
		if signed, err := signer.Verify("", value); err == nil {
			return secrets[signed.KeyIndex-1].hint(djangoFormat), true
		}
	}
	signer, signerErr := cookiestore.NewSigner(decoy(), bytesOf(long)...)
	encrypter, encrypterErr := cookiestore.NewEncrypter(decoy(), bytesOf(long)...)
	if cmp.Or(signerErr, encrypterErr) != nil {
		return "", false
	}
	for _, name := range append([]string{c.name}, names...) {
		var key int
		if signed, err := signer.Verify(name, value); err == nil {
			key = signed.KeyIndex
		} else if decrypted, err := encrypter.Decrypt(name, value); err == nil {
			key = decrypted.KeyIndex
		} else {
			continue
		}
		hint := long[key-1].hint(ownFormat)
		if name != c.name {
			hint = strings.TrimPrefix(fmt.Sprintf("%s; it is the value of a cookie named %q: add -name %s", hint, name, name), "; ")
		}
		return hint, hint != ""
	}
	return "", false
}

// decoy returns a primary key that has signed nothing. The keys to try follow it as
// fallback keys, which may be text without a warning in the log.
func decoy() []byte {
	key := make([]byte, cookiestore.MinKeySize)
	rand.Read(key) // never fails
	return key
}

// A secret is bytes that may have signed a value, and how they come from a variable.
type secret struct {
	bytes  []byte
	format string // of the variable's keys
	misuse string // how the site reads the variable's text; "" for the right way
	which  string // the variable
}

func bytesOf(secrets []secret) (all [][]byte) {
	for _, s := range secrets {
		all = append(all, s.bytes)
	}
	return all
}

// hint says what to do about a value in a format that verifies with the secret, or
// nothing if that is as it should be.
func (s secret) hint(format string) string {
	read := s.which
	if s.misuse != "" {
		read += " as " + s.misuse
	}
	switch {
	case s.format == format && s.misuse == "":
		return ""
	case format == djangoFormat && s.format == djangoFormat:
		return "it was signed with " + read + ", where Django uses the text as it is"
	case format == djangoFormat:
		return "the value is in Django's format, signed with " + read + ": put Django's SECRET_KEY in DJANGO_SECRET_KEY instead"
	case s.format == djangoFormat:
		return "the value is in the package's own format, signed with " + read + ": a site that shares sessions with Django needs WithDjango; to inspect the value, put the key in SESSION_KEY, in hex or base64"
	}
	return "the site uses " + read + ": pass the text to ParseKey, and keep what was used before as a fallback key until its cookies have expired"
}

var (
	databaseKey = regexp.MustCompile(`^[a-z0-9]{32}$`)
	token       = regexp.MustCompile(`^\.?[\w-]+\.[\w-]+\.[\w-]+$`)
	timestamp   = regexp.MustCompile(`^[0-9A-Za-z]{6}$`)
	dated       = regexp.MustCompile(`^[0-9]{9,11}\|[^|]+\|`)
	standard    = regexp.MustCompile(`[+/]`)
)

// signatureSize is the length of a signature, HMAC-SHA256 in base64url.
const signatureSize = 43

// formHint says what a value looks like that no key verifies, or nothing.
func formHint(value string) string {
	switch {
	case databaseKey.MatchString(value):
		return "this looks like a session ID of database-backed sessions: what the session holds is in the database, in the session_data of the row with this session_key in django_session"
	case strings.HasPrefix(value, "~") && databaseKey.MatchString(value[1:]):
		return "this looks like a session that Spill keeps in a record, since it was too large for the cookie: it is in the row whose session_key is the rest of the value"
	case isSecureCookie(value):
		return "this looks like a cookie of gorilla/sessions: a site reads it with gorilla.NewLoader and the keys of before, and inspect with GORILLA_HASH_KEY and GORILLA_BLOCK_KEY"
	case token.MatchString(value):
		return "this looks like a JSON Web Token, or a cookie of Flask: its parts are separated by dots, and another program made it"
	case strings.Contains(strings.ToUpper(value), "%253A"):
		return "the colons are percent-encoded twice (%253A): something encodes the cookie that shouldn't"
	}
	seen, _ := inspect.Parse(value)
	if seen.Legacy {
		return ""
	}
	return signatureHint(value, seen)
}

// signatureHint says what is missing of a signed value, or too much.
func signatureHint(value string, seen inspect.Value) string {
	size := len(seen.Signature)
	switch colons := strings.Count(value, ":"); {
	case colons == 0 && isPayload(value):
		return "this is the payload alone: the timestamp and the signature are missing (a double click selects up to a colon)"
	case colons == 1 && isPayload(seen.Payload) && (seen.Signature == "" || timestamp.MatchString(seen.Signature)):
		return "the signature is missing: a value has three parts, payload:timestamp:signature"
	case colons == 1 && timestamp.MatchString(seen.Payload) && size == signatureSize:
		return "the payload is missing: this is the timestamp and the signature alone"
	case colons < 2:
		return ""
	case size == 0:
		return "the signature is missing: nothing follows the last colon"
	case strings.HasSuffix(seen.Signature, "="):
		return "the signature ends in =, which no signature does: something has encoded it anew"
	case size < signatureSize:
		return fmt.Sprintf("the signature is cut short: it has %d of %d characters", size, signatureSize)
	case size > signatureSize:
		return fmt.Sprintf("the signature has %d characters, and should have %d: something follows the value", size, signatureSize)
	case standard.MatchString(value):
		return "there is a + or / in it, where this format has - and _: something has encoded it anew"
	case !isPayload(seen.Payload):
		return "the payload can't be read: its beginning is missing, or a part of it was changed"
	}
	return ""
}

// isPayload reports whether text is the payload of a session.
func isPayload(text string) bool {
	seen, err := inspect.Parse(text + ":1xocE4:")
	return err == nil && strings.HasPrefix(seen.Data, "{") && json.Valid([]byte(seen.Data))
}

// isSecureCookie reports whether gorilla/securecookie may have made the value: base64 of
// date "|" value "|" MAC.
func isSecureCookie(value string) bool {
	raw, err := base64.URLEncoding.DecodeString(value)
	return err == nil && dated.Match(raw)
}
