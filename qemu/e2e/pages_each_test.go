//go:build e2e

package e2e

import (
	_ "embed"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"causeway/qemu/lab"
)

// pageOctets is what a page may have over the line with all that belongs to it.
const pageOctets = 150_000

// pagesDir is where the pictures of all pages go, seen from this folder.
const pagesDir = root + "/out/pages"

// pagesWorld has one of everything.
//
//go:embed testdata/pages.conf
var pagesWorld string

// seenPage is what somebody sees who opens a page.
type seenPage struct {
	URL      string
	Headings []int  // their levels, in order
	Wider    string // what is wider than the window; empty: nothing
	Links    []string
	Nameless []string // fields without a label
	Paint    float64  // ms from the beginning of the navigation to the first paint with content
}

// look is the script that fills a seenPage. Links are those of the content to pages
// of the box, without files.
const look = `(async () => {
	const whole = document.documentElement, wide = whole.scrollWidth > whole.clientWidth
	const scrolls = e => e && e !== document.body && (["auto", "scroll", "hidden"].includes(getComputedStyle(e).overflowX) || scrolls(e.parentElement))
	const sticking = [...document.body.querySelectorAll("*")].filter(e => e.getBoundingClientRect().right > whole.clientWidth + 1 && !scrolls(e.parentElement))
	let paint = performance.getEntriesByName("first-contentful-paint")[0]
	for (let i = 0; !paint && i < 100; i++) {
		await new Promise(next => setTimeout(next, 10))
		paint = performance.getEntriesByName("first-contentful-paint")[0]
	}
	return {
		URL: location.pathname + location.search,
		Headings: [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map(h => Number(h.tagName[1])),
		Wider: wide || sticking.length > 0 ? whole.scrollWidth + " pixels: " + sticking.slice(-3).map(e => e.outerHTML.slice(0, 200)).join(" … ") : "",
		Links: [...document.querySelectorAll("main a[href]:not([download])")].filter(a => a.origin === location.origin).map(a => a.pathname + a.search),
		Nameless: [...document.querySelectorAll("input:not([type=hidden]), select, textarea")].filter(f => f.labels.length === 0 && !f.ariaLabel && !f.getAttribute("aria-labelledby")).map(f => f.outerHTML.slice(0, 200)),
		Paint: paint ? paint.startTime : 0,
	}
})()`

// TestPagesEach looks at every page that the menu leads to, and at those of modes
// that they lead to, as wide as a desk and a phone, in the light and in the dark: no
// page goes beyond its window, breaks its own policy or a script, keeps anybody out
// whom axe-core knows of, or is larger than it may be. Pictures of all stay in
// out/pages.
func TestPagesEach(t *testing.T) {
	t.Parallel()
	b := newPagesBox(t, pagesWorld)
	axe, err := lab.OpenAxe(b.ctx)
	b.check(err)
	screens := []lab.Screen{{Width: 1280}, {Width: 390, Dark: true}}
	pages := make([][]string, len(screens))
	var all sync.WaitGroup
	for i, screen := range screens {
		v := b.operator("anna", screen)
		all.Go(func() { pages[i] = v.eachPage(axe, screen) })
	}
	all.Wait()
	if !slices.Equal(pages[0], pages[1]) {
		t.Errorf("the menu of a desk leads to %q, that of a phone to %q", pages[0], pages[1])
	}
	if len(pages[0]) < leastPages {
		t.Errorf("there are %d pages: %q; want %d or more", len(pages[0]), pages[0], leastPages)
	}
}

// leastPages is a number below that of the pages that there are.
const leastPages = 70

// eachPage looks at all pages and gives their paths, in order.
func (v *visitor) eachPage(axe *lab.Axe, screen lab.Screen) (paths []string) {
	dir := filepath.Join(pagesDir, fmt.Sprint(screen.Width))
	todo := []string{}
	for _, p := range v.menu() {
		todo = append(todo, p.Path)
	}
	for len(todo) > 0 {
		path := todo[0]
		todo = todo[1:]
		name := pageName(path)
		if slices.Contains(paths, name) {
			continue
		}
		paths = append(paths, name)
		seen, faults := v.lookAt(path, axe)
		for _, fault := range faults {
			v.t.Errorf("%s at %d pixels: %s", path, screen.Width, fault)
		}
		if err := v.Screenshot(v.ctx, filepath.Join(dir, name+".png")); err != nil {
			v.t.Error(err)
		}
		for _, link := range seen.Links {
			if isPage(link) {
				todo = append(todo, link)
			}
		}
	}
	slices.Sort(paths)
	return paths
}

// isPage says whether a link leads to a page, and not to a part of one or a file.
func isPage(link string) bool {
	u, err := url.Parse(link)
	query := u.Query()
	return err == nil && !query.Has("as") && !query.Has("part")
}

var notOfName = regexp.MustCompile(`[^a-z0-9]+`)

// pageName is that of a page, whichever place of the configuration it is about.
func pageName(path string) string {
	path, query, _ := strings.Cut(path, "?")
	name := strings.Trim(notOfName.ReplaceAllString(path, "-"), "-")
	if strings.Contains(query, "at=") {
		name += "-at"
	}
	if name == "" {
		return "dashboard"
	}
	return name
}

// lookAt opens a page and gives what it has, and what is wrong with it.
func (v *visitor) lookAt(path string, axe *lab.Axe) (seen seenPage, faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if err := v.Open(v.ctx, v.base+path); err != nil {
		fault("%v", err)
		return seen, faults
	}
	if status := v.Status(); status != http.StatusOK {
		fault("status %d", status)
	}
	if octets := v.Octets(); octets > pageOctets {
		fault("%d octets; want %d at most", octets, pageOctets)
	}
	seen, err := lab.Script[seenPage](v.ctx, v.Tab, look)
	if err != nil {
		fault("%v", err)
		return seen, faults
	}
	if len(seen.Headings) == 0 || seen.Headings[0] != 1 {
		fault("the headings have the levels %d; want 1 first", seen.Headings)
	}
	if seen.Wider != "" {
		fault("it is wider than the window: %s", seen.Wider)
	}
	for _, field := range seen.Nameless {
		fault("a field has no label: %s", field)
	}
	barriers, err := axe.Barriers(v.ctx, v.Tab)
	if err != nil {
		fault("%v", err)
	}
	for _, one := range barriers {
		if one.Serious() {
			fault("axe: %s", one)
		} else {
			v.t.Logf("%s: %s", path, one)
		}
	}
	return seen, append(faults, v.Faults()...)
}
