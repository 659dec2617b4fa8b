package wire

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzSplit takes the Meta out of parameters: what is left is an object without
// it, and with all else.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "null", "[]", `{"src":"running"}`, `{"_m":null,"a":1}`, `{"_m":[]}`, `{"a":1,"_m":{"idem":"x"},"_m":{"idem":"y"}}`,
		`{"lines":["show version"],"_m":{"idem":"7d5f","exp":"2026-11-23T02:00:00Z","actor":"anna@partner.example","sig":"e30..c2ln"}}`,
		`{"_m":{"exp":"yesterday"}}`, `{"\u005fm":{"actor":"anna"}}`, `{"a":1e999,"_m":{"idem":5}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, params []byte) {
		meta, rest, err := Split(params)
		if err != nil {
			return
		}
		left := map[string]json.RawMessage{}
		if err := json.Unmarshal(rest, &left); err != nil {
			t.Fatalf("Split(%q) leaves %q: %v", params, rest, err)
		}
		if _, there := left["_m"]; there {
			t.Fatalf("Split(%q) leaves the Meta: %q", params, rest)
		}
		if left["_m"], err = json.Marshal(meta); err != nil {
			return // a year that RFC 3339 has not
		}
		whole, err := json.Marshal(left)
		if err != nil {
			t.Fatal(err)
		}
		again, still, err := Split(whole)
		if err != nil || !bytes.Equal(rest, still) || again.Idem != meta.Idem || again.Actor != meta.Actor || !again.Expires.Equal(meta.Expires) {
			t.Errorf("Split of %q = %+v, %q, %v; want %+v, %q", whole, again, still, err, meta, rest)
		}
	})
}

// TestSessionID holds the ID of a session to what it is made of.
func TestSessionID(t *testing.T) {
	box, com, exported := []byte("0123456789abcdef"), []byte("fedcba9876543210"), bytes.Repeat([]byte{7}, 32)
	const want = "yIrESalf2oiLqLxx0svSd3Tkk3AvVxhUjX_WsEruwso" // printf … | openssl dgst -sha256 -binary | basenc --base64url
	if got := SessionID(box, com, exported); got != want {
		t.Errorf("SessionID = %q; want %q", got, want)
	}
}
