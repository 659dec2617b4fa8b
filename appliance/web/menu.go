package web

import (
	"slices"

	"causeway/appliance/model"
)

// section is a heading of the menu and the pages below it.
type section struct {
	title string
	pages []*page
}

// menu is all that there is, as CUSP has it (L-36).
func menu() []section {
	return []section{
		{"Dashboard", dashboardPages()},
		{"Configure", configurePages()},
		{"System", systemPages()},
		{"Monitor", monitorPages()},
		{"Reports", reportPages()},
		{"Administration", slices.Concat(candidatePages(), administrationPages())},
		{"Troubleshoot", troubleshootPages()},
	}
}

// permitted are the parts of a page that somebody may see.
func (p *page) permitted(rights model.Rights) []part {
	return slices.DeleteFunc(slices.Clone(p.parts), func(one part) bool { return one.permits(rights) != nil })
}

// part gives the part of a name that somebody may see, or nil.
func (p *page) part(name string, rights model.Rights) part {
	for _, one := range p.parts {
		if one.name() == name && one.permits(rights) == nil {
			return one
		}
	}
	return nil
}

// entry is a section of the menu for somebody who looks at a page.
type entry struct {
	Title   string
	Only    bool // there is one page, of the same name
	Current bool // the page is in it
	Links   []link
}

// link is a page in the menu.
type link struct {
	Path, Title string
	Current     bool
}

// menuFor is the menu for somebody: what he has no right to is not there.
func (s *Server) menuFor(rights model.Rights, at *page) (list []entry) {
	for _, one := range s.menu {
		e := entry{Title: one.title}
		for _, p := range one.pages {
			e.Current = e.Current || p == at
			if p.hidden || len(p.permitted(rights)) == 0 {
				continue
			}
			e.Links = append(e.Links, link{p.path, p.title, p == at})
		}
		e.Only = len(one.pages) == 1 && one.pages[0].title == one.title
		if len(e.Links) > 0 {
			list = append(list, e)
		}
	}
	return list
}
