package web

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"causeway/appliance/config"
	"causeway/appliance/grammar/drawn"
	"causeway/appliance/model"
)

// TestConfigurePages shows every page that sets commands, at places of random
// configurations and of an empty one, and sends every form back as it is: that
// changes nothing.
func TestConfigurePages(t *testing.T) {
	setsBack(t, "empty", &model.Config{})
	pages := newBox(t, nil).server.pages
	unseen := make(map[string]bool)
	for _, p := range pages {
		unseen[p.path] = p.mode != "" && p.place == nil
	}
	for seed := range 200 {
		c, news := drawn.Configs.Example(seed), false
		for _, p := range pages {
			if unseen[p.path] && len(placesFor(c, p)) > 0 {
				unseen[p.path], news = false, true
			}
		}
		if news {
			setsBack(t, fmt.Sprint("drawn ", seed), c)
		}
	}
	for path, is := range unseen {
		if is {
			t.Errorf("no configuration has a place for %s", path)
		}
	}
}

func setsBack(t *testing.T, name string, c *model.Config) {
	t.Run(name, func(t *testing.T) {
		d := newDraft(t, realGrammar().Render(c))
		b := newBox(t, d.answers())
		w := b.login(t, user)
		for _, p := range b.server.pages {
			for _, one := range p.parts {
				if _, sets := one.(commander); !sets && !strings.HasPrefix(p.path, "/configure") {
					continue
				}
				switch one.(type) {
				case callHome, agreement: // they commit at once: see TestCallHomeValues
					continue
				}
				places := placesFor(c, p)
				if len(places) > 2 {
					places = [][]string{places[0], places[len(places)-1]}
				}
				for _, at := range places {
					w.sendsBack(d, p.path, url.Values{"at": at, "part": {one.name()}})
				}
			}
		}
	})
}

// sendsBack sends the forms of a part as they come, and those of the first and the
// last of its lines.
func (w *browser) sendsBack(d *draft, path string, query url.Values) {
	w.t.Helper()
	before := d.text()
	asked := path + "?" + query.Encode()
	status, text := w.get(asked)
	if status != http.StatusOK || strings.Contains(text, `class="fault"`) {
		w.t.Fatalf("%s = %d %s", asked, status, text)
	}
	for _, form := range formsOf(w.t, text, "post") {
		status, answer, _ := w.post(address(path, query["at"]), form)
		if status != http.StatusSeeOther {
			w.t.Fatalf("%s with %v = %d %s", asked, form, status, answer)
		}
		if now := d.text(); now != before {
			w.t.Fatalf("%s with %v changes the candidate:\n%s\nit was\n%s", asked, form, now, before)
		}
	}
	if query.Has("edit") || query.Has("add") {
		return
	}
	further := func(key, value string) {
		next := maps.Clone(query)
		next[key] = []string{value}
		w.sendsBack(d, path, next)
	}
	if edits := linksWith(w.t, text, "edit"); len(edits) > 0 {
		further("edit", edits[0])
		further("edit", edits[len(edits)-1])
	}
	for _, form := range formsOf(w.t, text, "get") {
		if form.Has("add") {
			further("add", form.Get("add"))
		}
	}
}

// placesFor gives the places of a configuration that a page is about; nil stands for
// a page that needs none.
func placesFor(c *model.Config, p *page) (all [][]string) {
	switch {
	case p.mode == "":
		return [][]string{nil}
	case p.place != nil:
		return [][]string{p.place(c)}
	}
	var visit func(at []string, mode config.Mode)
	visit = func(at []string, mode config.Mode) {
		if mode == p.mode {
			all = append(all, at)
		}
		lines, _ := realGrammar().LinesAt(c, at)
		for _, l := range lines {
			if l.Command.Opens != "" {
				visit(append(append([]string(nil), at...), l.Text), l.Command.Opens)
			}
		}
	}
	visit(nil, config.Global)
	return all
}

// formsOf are the forms of a page as a browser would send them with nothing filled
// in, by the button that is the first.
func formsOf(t testing.TB, page, method string) (all []url.Values) {
	for n := range parsedPage(t, page).Descendants() {
		if n.Data == "form" && attribute(n, "method") == method {
			all = append(all, sent(n))
		}
	}
	return all
}

// linksWith are the values of a key in the addresses that a page leads to.
func linksWith(t testing.TB, page, key string) (all []string) {
	for n := range parsedPage(t, page).Descendants() {
		if to, err := url.Parse(attribute(n, "href")); err == nil && to.Query().Has(key) {
			all = append(all, to.Query().Get(key))
		}
	}
	return all
}

func parsedPage(t testing.TB, page string) *html.Node {
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// sent is what a browser sends of a form.
func sent(form *html.Node) url.Values {
	values := make(url.Values)
	button := false
	for n := range form.Descendants() {
		name := attribute(n, "name")
		if name == "" || has(n, "disabled") {
			continue
		}
		switch n.Data {
		case "input":
			switch kind := attribute(n, "type"); {
			case kind == "checkbox" || kind == "radio":
				if has(n, "checked") {
					values.Add(name, attribute(n, "value"))
				}
			default:
				values.Add(name, attribute(n, "value"))
			}
		case "textarea":
			values.Add(name, strings.TrimPrefix(innerText(n), "\n"))
		case "select":
			values.Add(name, chosenOption(n))
		case "button":
			if !button {
				values.Add(name, attribute(n, "value"))
			}
			button = true
		}
	}
	return values
}

// chosenOption is the option of a select that is sent.
func chosenOption(n *html.Node) (value string) {
	first := true
	for option := range n.Descendants() {
		if option.Data != "option" || !first && !has(option, "selected") {
			continue
		}
		value, first = innerText(option), false
		if has(option, "value") {
			value = attribute(option, "value")
		}
	}
	return value
}

func innerText(n *html.Node) (text string) {
	for one := range n.Descendants() {
		if one.Type == html.TextNode {
			text += one.Data
		}
	}
	return text
}

func has(n *html.Node, key string) bool {
	for _, a := range n.Attr {
		if a.Key == key {
			return true
		}
	}
	return false
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}
