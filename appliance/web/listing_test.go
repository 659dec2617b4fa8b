package web

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/model"
)

var (
	networks = listing{"networks", "Networks", config.Global, []line{{"Network", "sip network NETWORK [KIND]"}}}
	servers  = listing{"servers", "Servers", config.Global, []line{{"Syslog server", "logging host HOST [TRANSPORT] [port PORT] [level LEVEL]"}}}
	logins   = listing{"logins", "RADIUS servers", config.Global, []line{{"RADIUS server", "aaa login radius HOST [port PORT] key KEY"}}}
	routes   = listing{"routes", "Routes", "config-rt", []line{
		{"To a route group", "key KEY group GROUP"}, {"To a response", "key KEY response CODE"},
	}}
)

// editsOf are the addresses of the forms of the rows of a page.
func editsOf(page string) (all []string) {
	for _, rest := range strings.Split(page, `<a href="`)[1:] {
		to, _, _ := strings.Cut(rest, `"`)
		if to = html.UnescapeString(to); strings.Contains(to, "edit=") {
			to, _, _ = strings.Cut(to, "#")
			all = append(all, to)
		}
	}
	return all
}

func TestListing(t *testing.T) {
	const have = "logging host log1.example.com\nlogging host log2.example.com tcp port 1514 level errors\nsip network a\n exit\nsip network b\n header-hide\n exit\n" +
		"aaa login radius 192.0.2.9 key sixteenoctetsand\nroute group g\n exit\nroute table t\n key 1 group g\n key 2 response 404\n exit\n"
	table := url.Values{"at": {"route table t"}}
	for _, test := range []struct {
		name   string
		part   listing
		at     url.Values
		row    int // that is changed, from 1; 0: a new one
		kind   string
		fields map[string]string
		do     string
		want   []string // lines that control is told
		says   string
	}{
		{name: "add", part: servers, fields: map[string]string{"HOST": "log3.example.com", "PORT": "601"},
			want: []string{"logging host log3.example.com port 601"}, says: "Brought into the candidate: logging host log3.example.com port 601"},
		{name: "add nothing", part: servers, says: "Nothing was filled in."},
		{name: "add without what is needed", part: servers, fields: map[string]string{"PORT": "601"}, says: "This is needed."},
		{name: "add what there is", part: servers, fields: map[string]string{"HOST": "log1.example.com"}, says: "There is such a line already."},
		{name: "change", part: servers, row: 1, fields: map[string]string{"HOST": "log1.example.com", "TRANSPORT": "tls"},
			want: []string{"logging host log1.example.com tls"}},
		{name: "change what tells it from others", part: servers, row: 1, fields: map[string]string{"HOST": "log4.example.com"},
			want: []string{"no logging host log1.example.com", "logging host log4.example.com"}},
		{name: "change nothing", part: servers, row: 1, fields: map[string]string{"HOST": "log1.example.com", "TRANSPORT": "udp"}, says: "Nothing was changed."},
		{name: "remove", part: servers, row: 2, do: "remove", want: []string{"no logging host log2.example.com tcp port 1514 level errors"}},
		{name: "remove nothing", part: servers, do: "remove", says: "The form does not say which line is to go."},
		{name: "add a network", part: networks, fields: map[string]string{"NETWORK": "c"}, want: []string{"sip network c", "exit"}, says: "<h2>One</h2>"},
		{name: "another kind of network", part: networks, row: 2, fields: map[string]string{"NETWORK": "b", "KIND": "nat"}, want: []string{"sip network b nat", "exit"}},
		{name: "another name of a network", part: networks, row: 2, fields: map[string]string{"NETWORK": "c"}, says: "What is in there belongs to the name"},
		{name: "the secret stays", part: logins, row: 1, fields: map[string]string{"HOST": "192.0.2.9", "PORT": "1645"}, want: []string{"aaa login radius 192.0.2.9 port 1645 key sealed:"}},
		{name: "another secret", part: logins, row: 1, fields: map[string]string{"HOST": "192.0.2.9", "KEY": "anothersecretkey"},
			want: []string{"aaa login radius 192.0.2.9 key anothersecretkey"}, says: "aaa login radius 192.0.2.9 key ********"},
		{name: "another server with the secret", part: logins, row: 1, fields: map[string]string{"HOST": "192.0.2.10"},
			want: []string{"no aaa login radius 192.0.2.9", "aaa login radius 192.0.2.10 key sealed:"}},
		{name: "one of two kinds", part: routes, at: table, kind: "1", fields: map[string]string{"KEY": "3", "CODE": "486"}, want: []string{"route table t", "key 3 response 486"}},
		{name: "no such kind", part: routes, at: table, kind: "2", says: "Kind 2 is nothing that can be added."},
		{name: "change in a place", part: routes, at: table, row: 2, fields: map[string]string{"KEY": "2", "CODE": "486"}, want: []string{"route table t", "key 2 response 486"}},
		{name: "remove in a place", part: routes, at: table, row: 1, do: "remove", want: []string{"route table t", "no key 1"}},
		{name: "a place that is not yet", part: routes, at: url.Values{"at": {"route table u"}}, kind: "1", fields: map[string]string{"KEY": "3", "CODE": "486"},
			want: []string{"route table u", "key 3 response 486"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDraft(t, "")
			if faults := sealing().Merge(d.config, have); len(faults) > 0 {
				t.Fatal(faults)
			}
			b := newBox(t, d.answers())
			b.withParts("/table", test.part.mode, test.part)
			b.withParts("/network", "config-sip-network", settings{"one", "One", "config-sip-network", []line{{"Hide", "header-hide"}}})
			w := b.login(t, user)
			path := address("/table", test.at["at"])
			fields := url.Values{"kind": {test.kind}, "do": {test.do}, "at": test.at["at"]}
			if test.row > 0 {
				_, page := w.get(path)
				edits := editsOf(page)
				if len(edits) < test.row {
					t.Fatalf("the page has %d rows: %s", len(edits), page)
				}
				path = edits[test.row-1]
				_, page = w.get(path)
				was := fieldsOf(page)
				if len(was) != 1 || strings.Contains(page, "sealed:") {
					t.Fatalf("the form of row %d is %s", test.row, page)
				}
				for name, value := range was {
					fields[name] = value
				}
			}
			for name, value := range test.fields {
				fields.Set(test.part.id+".0."+name, value)
			}
			_, text := w.send(path, test.part.id, fields)
			if !strings.Contains(text, test.says) || strings.Contains(text, "sealed:") || strings.Contains(text, "anothersecretkey") {
				t.Errorf("%s; want %q in it", text, test.says)
			}
			got := loadedLines(t, b)
			same := func(got, want string) bool {
				return got == want || strings.HasSuffix(want, "sealed:") && strings.HasPrefix(got, want)
			}
			if !slices.EqualFunc(got, test.want, same) {
				t.Errorf("loaded %q; want %q", got, test.want)
			}
		})
	}
}

// TestListingShown: a table has the values of its lines, leads to their modes, and
// may be had as CSV.
func TestListingShown(t *testing.T) {
	d := newDraft(t, "sip network a\n exit\nsip network b nat\n exit\n")
	b := newBox(t, d.answers())
	b.withParts("/table", "", networks, routes)
	b.withParts("/network", "config-sip-network", settings{"one", "One", "config-sip-network", []line{{"Hide", "header-hide"}}})
	w := b.login(t, user)
	_, page := w.get("/table")
	for _, want := range []string{
		`<a href="/network?at=sip&#43;network&#43;b&#43;nat">b</a></td><td>nat</td>`, "sip network a\nsip network b nat\n",
		`<p class="fault" role="alert">The page is about places of mode config-rt: go there from the menu.</p>`, // the other part
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page is %s; want %q in it", page, want)
		}
	}
	if _, csv := w.get("/table?part=networks&as=csv"); !strings.HasSuffix(csv, "Network,Kind\r\na,\r\nb,nat\r\n") {
		t.Errorf("as CSV it is %q; want two rows", csv)
	}
	for path, want := range map[string]string{
		"/table?edit=networks.0123": "The line is gone, or another one by now", "/table?at=no+such+line": "There is no such place",
		"/table?at=route+table+t": "The page is about places of mode config:",
	} {
		if status, page := w.get(path); status != http.StatusOK || !strings.Contains(page, want) {
			t.Errorf("%s = %d %s; want %q", path, status, page, want)
		}
	}
}

// TestListingMany: of many lines the page shows some, and those that are looked for.
func TestListingMany(t *testing.T) {
	var text strings.Builder
	text.WriteString("route table t\n")
	for i := range 1000 {
		fmt.Fprintf(&text, " key %d response 404\n", 5550000+i)
	}
	d := newDraft(t, text.String())
	b := newBox(t, d.answers())
	b.withParts("/table", "config-rt", routes)
	w := b.login(t, user)
	if _, page := w.get("/table?at=route+table+t"); len(editsOf(page)) != rowsMost || !strings.Contains(page, "And 800 more") || len(page) > 150<<10 {
		t.Errorf("a page of 1,000 routes has %d octets and %d rows; want %d rows and less than 150 KB", len(page), len(editsOf(page)), rowsMost)
	}
	if _, page := w.get("/table?at=route+table+t&find-routes=5550999"); len(editsOf(page)) != 1 {
		t.Errorf("looking for one of them finds %d", len(editsOf(page)))
	}
	if _, page := w.get("/table?at=route+table+t&find-routes=6"); !strings.Contains(page, "And") && len(editsOf(page)) == 0 {
		t.Errorf("looking for 6 finds nothing: %s", page)
	}
}

// FuzzForms: whatever a form is filled with, the page answers, and what control is
// told are whole lines of the commands of the form.
func FuzzForms(f *testing.F) {
	f.Add("limits", "limits.0.0.HOPS", "40", "limits.0.was", "x")
	f.Add("limits", "limits.2", "limits.2.1", "limits.2.1.HOST", "a\nno firewall off")
	f.Add("servers", "servers.0.HOST", "a", "kind", "-1")
	f.Add("servers", "servers.was", "0123", "do", "remove")
	f.Add("limits", "at", "sip network a", "take", "yes")
	d := newDraft(f, "logging host a\n")
	var loaded []string
	answers := d.answers()
	answers["control.load"] = func(params string) (any, error) {
		var r change.LoadRequest
		if err := json.Unmarshal([]byte(params), &r); err != nil {
			return nil, err
		}
		loaded = append(loaded, r.Text)
		return change.Loaded{}, nil
	}
	b := newBox(f, answers)
	b.withParts("/form", "", aForm, servers)
	login := model.Login{Operator: model.Operator{User: user, Origin: "web 192.0.2.7"}, Rights: everything}
	f.Fuzz(func(t *testing.T, part, name, value, other, text string) {
		loaded = nil
		form := url.Values{"part": {part}}
		form.Set(name, value)
		form.Set(other, text)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/form", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Form, r.PostForm = form, form
		v := &visit{Server: b.server, request: r, login: login, session: &session{token: "x"}, page: b.server.pages["/form"]}
		p, is := v.page.part(part, everything).(taker)
		if !is {
			return
		}
		a, err := p.take(t.Context(), v)
		if err == nil && a.instead.template != "" {
			if _, err := v.fill(a.instead); err != nil {
				t.Fatalf("%q leads to a form that cannot be shown: %v", form, err)
			}
		}
		_, lines := p.(interface{ commands() (config.Mode, []line) }).commands()
		for _, brought := range loaded {
			for one := range strings.Lines(brought) {
				m, fault := realGrammar().MeaningOf(nil, one)
				mine := func(l line) bool { return slices.Contains(strings.Split(l.syntax, " | "), m.Syntax) }
				if fault != nil || !slices.ContainsFunc(lines, mine) {
					t.Fatalf("%q has control told %q, which is %q: %v", form, one, m.Syntax, fault)
				}
			}
		}
	})
}
