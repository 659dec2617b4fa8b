package config

import (
	"fmt"
	"reflect"
	"testing"

	"causeway/appliance/model"
)

func TestValues(t *testing.T) {
	for _, test := range []struct {
		typ           Type
		word, printed string // printed is empty where the word is refused
	}{
		{QValue{}, "1.0", "1.0"}, {QValue{}, "1", "1.0"}, {QValue{}, "0", "0.0"}, {QValue{}, "0.5", "0.5"}, {QValue{}, "0.25", "0.25"},
		{QValue{}, "0.125", "0.125"}, {QValue{}, "0.050", "0.05"}, {QValue{}, "1.000", "1.0"}, {QValue{}, "1.001", ""}, {QValue{}, "00.1", ""},
		{QValue{}, "1.", ""}, {QValue{}, "", ""},
		{Word{4}, "a/b!", "a/b!"}, {Word{4}, "äö", "äö"}, {Word{4}, "äöü", ""},
		{Expression{}, "^0[1-9]", "^0[1-9]"}, {Expression{}, "^0[1-9", ""}, {Expression{}, "(?=a)", ""},
		{HostPort{}, "192.0.2.1", "192.0.2.1"}, {HostPort{}, "192.0.2.1:5060", "192.0.2.1:5060"}, {HostPort{}, "[::ffff:192.0.2.1]:7", "192.0.2.1:7"},
		{HostPort{}, "2001:DB8::1", "2001:db8::1"}, {HostPort{}, "[2001:db8::1]", "2001:db8::1"}, {HostPort{}, "[2001:db8::1]:5060", "[2001:db8::1]:5060"},
		{HostPort{}, "gw.example.com", "gw.example.com"}, {HostPort{}, "server_group", "server_group"}, {HostPort{}, "server_group:1", ""},
		{HostPort{}, "[server_group]", ""}, {HostPort{}, "gw:", ""}, {HostPort{}, ":5060", ""}, {HostPort{}, "gw:05060", ""}, {HostPort{}, "", ""},
		{Prefix{}, "192.0.2.1", "192.0.2.1"}, {Prefix{}, "192.0.2.1/32", "192.0.2.1"}, {Prefix{}, "192.0.2.0/24", "192.0.2.0/24"},
		{Prefix{}, "192.0.2.1/24", ""}, {Prefix{}, "2001:db8::/32", "2001:db8::/32"}, {Prefix{}, "::ffff:192.0.2.0/120", ""}, {Prefix{}, "::ffff:192.0.2.1", "192.0.2.1"},
		{TimeOfDay{}, "00:00", "00:00"}, {TimeOfDay{}, "23:59", "23:59"}, {TimeOfDay{}, "24:00", ""},
		{DateTime{}, "20260228T235959", "20260228T235959"}, {DateTime{}, "20260228T235959Z", "20260228T235959Z"}, {DateTime{}, "20260229T000000", ""},
		{Ranges{Min: 1, Max: 12}, "1", "1"}, {Ranges{Min: 1, Max: 12}, "3,1,2", "1-3"}, {Ranges{Min: 1, Max: 12}, "1-2", "1,2"},
		{Ranges{Min: 1, Max: 12}, "11-2", "1,2,11,12"}, {Ranges{Min: 1, Max: 12}, "1-12", "1-12"}, {Ranges{Min: 1, Max: 12}, "0", ""},
		{Ranges{Min: 1, Max: 12}, "1-", ""}, {Ranges{Min: 1, Max: 12}, "01", ""}, {Ranges{Min: 1, Max: 12}, "1-2-3", ""},
		{Weekdays, "mon-fri", "mon-fri"}, {Weekdays, "SAT-sun", "sun,sat"}, {Weekdays, "day", ""},
		{Line{Quoted: true}, `""`, `""`}, {Line{Quoted: true}, `"a b"`, "a b"}, {Line{Quoted: true}, `" a"`, `" a"`}, {Line{Quoted: true}, `""a""`, `""a""`},
		{Line{Quoted: true}, `"`, `"`}, {Line{Quoted: true}, `"Alice" <sip:a@b>`, `"Alice" <sip:a@b>`}, {Line{}, `"a"`, `"a"`},
	} {
		value, err := test.typ.Parse(test.word)
		printed := ""
		if err == nil {
			printed = test.typ.Format(value)
		}
		if printed != test.printed {
			t.Errorf("%T.Parse(%q) = %v, %v, printed %q; want %q", test.typ, test.word, value, err, printed, test.printed)
			continue
		}
		if again, err := test.typ.Parse(printed); test.printed != "" && (err != nil || !reflect.DeepEqual(again, value)) {
			t.Errorf("%T.Parse(%q) = %v, %v; want %v, as for %q", test.typ, printed, again, err, value, test.word)
		}
	}
}

func TestCodes(t *testing.T) {
	for _, test := range []struct {
		pieces string
		want   string // of CodesValue; empty: refused
	}{
		{"503", "503"}, {"500-503", "500-503"}, {"500 - 503 , 504", "500-503,504"}, {"500 -503,", ""}, {"500- 503 ,600", "500-503,600"},
		{"500 503", ""}, {"503 - 500", ""}, {"- 500", ""}, {"500 -", ""}, {"500 - 501 - 502", ""}, {",", ""},
	} {
		v, err := NewVocabulary([]Form{{Syntax: "codes CODE...", Args: []Argument{argument("CODE", StatusCodes{})}}})
		if err != nil {
			t.Fatal(err)
		}
		match, err := v.Match("codes " + test.pieces)
		var codes []model.CodeRange
		if err == nil {
			codes, err = match.Args.Codes("CODE")
		}
		got := ""
		if err == nil {
			got = fmt.Sprint(CodesValue(codes).([]any)...)
		}
		if got != test.want {
			t.Errorf("Codes of %q = %v, %v; want %q", test.pieces, codes, err, test.want)
		}
	}
}

func FuzzHostPort(f *testing.F) {
	f.Add("gw.example.com:5060")
	f.Add("[2001:db8::1]:5060")
	f.Add("[a]")
	f.Add("a:b:c")
	f.Fuzz(func(t *testing.T, word string) {
		v, err := HostPort{}.Parse(word)
		if err != nil {
			return
		}
		printed := HostPort{}.Format(v)
		if again, err := (HostPort{}).Parse(printed); err != nil || again != v {
			t.Fatalf("Parse(%q) = %v, %v; want %v, as for %q", printed, again, err, v, word)
		}
	})
}
