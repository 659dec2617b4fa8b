package operator

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

// TestCanonical has rows of RFC 8785, and what must be refused.
func TestCanonical(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{`{}`, `{}`},
		{` [ 1 , [ ] , { } , null , true , false ] `, `[1,[],{},null,true,false]`},
		{`{"b":1,"a":{"d":2,"c":3}}`, `{"a":{"c":3,"d":2},"b":1}`},
		{"{\"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\"}", `{"string":"€$\u000f\nA'B\"\\\\\"/"}`},                                    // §3.2.2
		{`{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}`, "{\"\\r\":2,\"1\":4,\"\u0080\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\ufb33\":3}"}, // §3.2.3
		{`[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001]`, `[333333333.3333333,1e+30,4.5,0.002,1e-27]`},
		{`[-0,0.0,1e21,1e20,1e-6,1e-7,-1.5e300,9007199254740993]`, `[0,0,1e+21,100000000000000000000,0.000001,1e-7,-1.5e+300,9007199254740992]`},
		{`"\u2028</script>"`, "\"\u2028</script>\""},
	} {
		if got, err := Canonical([]byte(row.text)); err != nil || string(got) != row.want {
			t.Errorf("Canonical(%s) = %s, %v; want %s", row.text, got, err, row.want)
		}
	}
	deep := bytes.Repeat([]byte("["), deepest+1)
	for _, bad := range []string{``, `{`, `[1,]`, `{"a":1,"a":2}`, `{} {}`, `1e400`, "\"\xff\"", `{"a" 1}`, string(deep)} {
		if got, err := Canonical([]byte(bad)); err == nil {
			t.Errorf("Canonical(%q) = %s; want an error", bad, got)
		}
	}
}

// FuzzCanonical checks that the canonical form means the same, and is its own.
func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{`{"b":[1,2.5e-7,"x\u0000"],"a":null}`, `[1e21,-0,{"":{}}]`, `"\ud83d\ude00"`, `{"a":1,"a":1}`, `[[[`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		canonical, err := Canonical(text)
		if err != nil {
			return
		}
		again, err := Canonical(canonical)
		if err != nil || !bytes.Equal(again, canonical) {
			t.Errorf("Canonical(%q) = %q, %v", canonical, again, err)
		}
		var before, after any
		if err := json.Unmarshal(text, &before); err != nil {
			t.Fatalf("Canonical takes %q: %v", text, err)
		}
		if err := json.Unmarshal(canonical, &after); err != nil || !reflect.DeepEqual(before, after) {
			t.Errorf("Canonical(%q) = %q, which is something else: %v", text, canonical, err)
		}
	})
}
