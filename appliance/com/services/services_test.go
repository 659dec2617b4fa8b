package services

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
)

// TestTaking: parameters of the wrong kind are refused before anything is done.
func TestTaking(t *testing.T) {
	handle := taking(func(_ context.Context, _ gate.Caller, p struct{ N int }) (int, error) { return p.N, nil })
	for _, test := range []struct {
		params string
		want   any
		code   int
	}{
		{`{"N":7,"unknown":1}`, 7, 0},
		{``, 0, 0},
		{`{}`, 0, 0},
		{`{"N":"7"}`, nil, wire.CodeParams},
		{`[7]`, nil, wire.CodeParams},
	} {
		got, err := handle(t.Context(), gate.Caller{}, json.RawMessage(test.params))
		if got != test.want || codeOf(err) != test.code {
			t.Errorf("handle(%s) = %v, %v; want %v, code %d", test.params, got, err, test.want, test.code)
		}
	}
}

// codeOf is that of a refusal; 0: it is none.
func codeOf(err error) int {
	var refusal *gate.Error
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return 0
}

// TestCut: a text goes into a message, whatever JSON makes of its characters.
func TestCut(t *testing.T) {
	for _, test := range []struct {
		text  string
		whole bool
	}{
		{"", true},
		{strings.Repeat("x", longestText-2), true},
		{strings.Repeat("x", longestText), false},
		{strings.Repeat("<", longestText), false},
		{strings.Repeat("<", longestText/6) + strings.Repeat("x", longestText), false},
		{strings.Repeat("ü", longestText), false},
	} {
		got, whole := cut(test.text)
		quoted, _ := json.Marshal(got)
		if whole != test.whole || len(quoted) > longestText || whole && got != test.text || !whole && got == "" {
			t.Errorf("cut(%d octets) = %d octets (%d of JSON), %t; want at most %d of JSON, %t",
				len(test.text), len(got), len(quoted), whole, longestText, test.whole)
		}
	}
}
