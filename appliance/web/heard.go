package web

import (
	"context"
	"sync"
)

// heard are the answers to what the parts of a page have asked while it is written:
// each question is asked once, and no part knows the box otherwise than the next.
type heard struct {
	mu      sync.Mutex
	answers map[string]any // func() (A, error), by question
}

// once gives the answer to a question, whose name stands for it and for the type of
// its answer, to be read alone. Where no page is written it is asked anew: what takes
// a form sees what that has changed.
func once[A any](v *visit, question string, ask func() (A, error)) (A, error) {
	if v.heard == nil {
		return ask()
	}
	v.heard.mu.Lock()
	answer, was := v.heard.answers[question].(func() (A, error))
	if !was {
		answer = sync.OnceValues(ask)
		v.heard.answers[question] = answer
	}
	v.heard.mu.Unlock()
	return answer()
}

// ask asks a process of the box what takes no parameters, once for all parts of a
// page.
func ask[A any](ctx context.Context, v *visit, process, method string) (A, error) {
	return once(v, method, func() (answer A, err error) {
		err = v.Call(ctx, process, method, nil, &answer)
		return answer, err
	})
}
