package jsonobject

import "testing"

// benchText is a session of 145 bytes.
const benchText = `{"_auth_user_id":"42","_auth_user_backend":"django.contrib.auth.backends.ModelBackend","_auth_user_hash":"0123456789abcdef0123","num_visits":170}`

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(benchText)))
	for b.Loop() {
		if _, err := Parse(benchText); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	o := parse(b, benchText)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := o.Find("num_visits"); !ok {
			b.Fatal("not found")
		}
	}
}

func BenchmarkSetAndAppend(b *testing.B) {
	o := parse(b, benchText)
	var buffer [256]byte
	b.ReportAllocs()
	for b.Loop() {
		o.Set("num_visits", `171`)
		if len(o.AppendTo(buffer[:0])) != len(benchText) {
			b.Fatal("not written")
		}
	}
}

func BenchmarkSetNewKey(b *testing.B) {
	o := parse(b, benchText)
	b.ReportAllocs()
	for b.Loop() {
		o.Set("cart", `[]`)
		o.Delete("cart")
	}
}
