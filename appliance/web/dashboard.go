package web

import (
	"context"

	"causeway/appliance/model"
)

// dashboardPages is the page that one sees first.
func dashboardPages() []*page {
	return []*page{{path: "/", title: "Dashboard", parts: []part{versions{}}}}
}

// versions says what runs.
type versions struct{}

func (versions) name() string               { return "versions" }
func (versions) permits(model.Rights) error { return nil }

func (versions) show(_ context.Context, v *visit) (view, error) {
	return view{template: "versions", data: v.Build}, nil
}
