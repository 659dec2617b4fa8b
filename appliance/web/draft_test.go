package web

import (
	"encoding/json"
	"sync"
	"testing"

	"causeway/appliance/config/change"
	"causeway/appliance/model"
)

// draft is the candidate of a box of tests, as control keeps one.
type draft struct {
	mu     sync.Mutex
	config *model.Config
}

func newDraft(t testing.TB, text string) *draft {
	d := &draft{config: &model.Config{}}
	if faults := realGrammar().Merge(d.config, text); len(faults) > 0 {
		t.Fatalf("the candidate is no good: %v", faults)
	}
	return d
}

// text is the candidate as it is printed.
func (d *draft) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return realGrammar().Render(d.config)
}

// answers are those of control about it.
func (d *draft) answers() map[string]any {
	return map[string]any{
		"control.configure": change.Configured{},
		"control.candidate": func(string) (any, error) { return change.Candidate{Text: d.text()}, nil },
		"control.load": func(params string) (any, error) {
			var r change.LoadRequest
			if err := json.Unmarshal([]byte(params), &r); err != nil {
				return nil, err
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			next := &model.Config{}
			if faults := realGrammar().Merge(next, realGrammar().Render(d.config)); len(faults) > 0 {
				return nil, faults
			}
			if faults := sealing().Merge(next, r.Text); len(faults) > 0 {
				return change.Loaded{Faults: faults}, nil
			}
			d.config = next
			return change.Loaded{}, nil
		},
	}
}

// decode reads the parameters of a call.
func decode(t testing.TB, params string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(params), into); err != nil {
		t.Fatal(err)
	}
}
