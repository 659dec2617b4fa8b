package web

import "context"

// show gives what the bar says of the candidate.
func (bar) show(context.Context, *visit) (view, error) { return view{}, nil }
