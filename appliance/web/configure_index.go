package web

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"causeway/appliance/model"
)

// index has all pages of the configuration, and finds those of a command by words
// of it, for people who know the command line.
type index struct{ groups []group }

// indexed is a heading and the pages below it that somebody may see.
type indexed struct {
	Title string
	Links []link
}

// found is a command and where it is set.
type found struct {
	Label, Syntax string
	Path, Page    string
}

func (index) name() string                      { return "pages" }
func (index) permits(rights model.Rights) error { return permitsConfigure(rights) }

func (i index) show(_ context.Context, v *visit) (view, error) {
	var data struct {
		Words  string
		Found  []found
		Groups []indexed
	}
	data.Words = strings.TrimSpace(v.request.Form.Get("find"))
	if data.Words != "" {
		data.Found = v.withWords(strings.Fields(strings.ToLower(data.Words)))
	}
	for _, g := range i.groups {
		one := indexed{Title: g.title}
		for _, p := range g.pages {
			if !p.hidden && len(p.permitted(v.login.Rights)) > 0 {
				one.Links = append(one.Links, link{Path: p.path, Title: p.title})
			}
		}
		if len(one.Links) > 0 {
			data.Groups = append(data.Groups, one)
		}
	}
	return view{template: "index", data: data}, nil
}

// withWords gives the commands on pages whose syntax, label and help have all of the
// words, each with the page in the menu that leads there.
func (v *visit) withWords(words []string) (list []found) {
	for _, section := range v.menu {
		var at *page // the last one in the menu: those behind it are reached from it
		for _, p := range section.pages {
			if !p.hidden {
				at = p
			}
			for _, one := range p.permitted(v.login.Rights) {
				c, sets := one.(commander)
				if !sets || at == nil {
					continue
				}
				_, lines := c.commands()
				for _, l := range lines {
					text := strings.ToLower(l.label + " " + l.syntax)
					if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
						list = append(list, found{l.label, l.syntax, at.path, at.title})
					}
				}
			}
		}
	}
	return list
}

// links lead to the pages of these paths.
type links struct {
	id, title string
	paths     []string
}

// related leads to what the things on a page name.
func related(paths ...string) part { return links{"related", "What they lead to", paths} }

func (l links) name() string                    { return l.id }
func (links) permits(rights model.Rights) error { return permitsConfigure(rights) }

func (l links) show(_ context.Context, v *visit) (view, error) {
	one := indexed{Title: l.title}
	for _, path := range l.paths {
		if p := v.reach(path); p != nil {
			one.Links = append(one.Links, link{Path: path, Title: p.title})
		}
	}
	return view{template: "links", data: one}, nil
}

// whereabouts says which place of the configuration a page is about, and leads out
// of it.
type whereabouts struct{}

func (whereabouts) name() string                      { return "place" }
func (whereabouts) permits(rights model.Rights) error { return permitsConfigure(rights) }

func (whereabouts) show(ctx context.Context, v *visit) (view, error) {
	at := v.at()
	var data struct {
		Above []link // the pages around it
		Here  string
		New   bool // the candidate has no such place
	}
	if above := v.pages["/configure/"+strings.Split(v.page.path, "/")[2]]; above != nil && above != v.page {
		data.Above = append(data.Above, link{Path: above.path, Title: above.title})
	}
	for i := range at[:max(0, len(at)-1)] {
		if path := v.placePath(at[:i+1]); path != "" {
			data.Above = append(data.Above, link{Path: path, Title: at[i]})
		}
	}
	if len(at) > 0 {
		data.Here = at[len(at)-1]
	}
	if v.seesAll() || len(at) > 0 && v.Grammar.Permits(v.login.Rights, at[:len(at)-1], at[len(at)-1]) == nil { // others would guess names
		c, err := v.candidate(ctx)
		if err != nil {
			return view{}, err
		}
		_, there := v.Grammar.LinesAt(c, at)
		data.New = !there
	}
	return view{template: "whereabouts", data: data}, nil
}

// goToPlace leads on to the place that the page is about by itself.
func (v *visit) goToPlace(ctx context.Context, w http.ResponseWriter) {
	c, err := v.candidate(ctx)
	if err != nil {
		v.refuse(w, http.StatusServiceUnavailable, err)
		return
	}
	http.Redirect(w, v.request, address(v.page.path, v.page.place(c)), http.StatusSeeOther)
}
