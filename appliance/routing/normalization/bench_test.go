package normalization

import (
	"testing"

	"causeway/appliance/model"
)

// BenchmarkApply: what a policy costs a message that it does not change, and
// one that it changes. Only expressions that match allocate.
func BenchmarkApply(b *testing.B) {
	in := incoming(b, invite)
	for _, row := range []struct {
		name    string
		steps   []model.NormalizationStep
		changes bool
	}{
		{"no match", []model.NormalizationStep{requestURI("user", "^7", "x"), headerParam(update, "Diversion", "reason", "^x", "y")}, false},
		{"no expression", []model.NormalizationStep{requestURI("user", "", "7042"), header(add, "X-New", "", "", "1")}, true},
		{"expression", []model.NormalizationStep{requestURI("user", `^\+49(.*)`, "0$1")}, true},
	} {
		b.Run(row.name, func(b *testing.B) {
			e, out := engine(b, row.steps...), make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				if got := e.Apply(out, "p", in, nil); (got != nil) != row.changes {
					b.Fatalf("Apply = %q", got)
				}
			}
		})
	}
}

// BenchmarkPrivacy: what the privacy service costs a call without Privacy.
func BenchmarkPrivacy(b *testing.B) {
	e, err := New(&model.SIP{Privacy: model.SIPPrivacy{Service: true}})
	if err != nil {
		b.Fatal(err)
	}
	in := incoming(b, invite)
	b.ReportAllocs()
	for b.Loop() {
		if e.Privacy(nil, in, nil) != nil {
			b.Fatal("Privacy changes a call that does not ask for it")
		}
	}
}
