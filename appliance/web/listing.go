package web

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// listing is a table of lines of which a place has many, with a form to add one and
// a form for each. Lines that open a mode lead to its page.
type listing settings

func (l listing) name() string                    { return l.id }
func (listing) permits(rights model.Rights) error { return permitsConfigure(rights) }
func (l listing) commands() (config.Mode, []line) { return l.mode, l.lines }

// rowsMost is how many rows a page shows, rowsFew how many are looked through by eye.
const rowsMost, rowsFew = 200, 30

// listingShown is what its template is filled with.
type listingShown struct {
	Form     form
	Title    string
	Columns  []string
	Rows     []listed
	More     int // rows that are not among them
	Searched bool
	Find     string
	Here     string // the page without what its address asks for
	CSV      string
	Lines    []string
	Editor   *editor
	Kinds    []kind
}

// listed is a row.
type listed struct {
	Cells      []string
	Text       string // the line
	Open, Edit string // what it leads to
	Current    bool
}

// kind is what can be added.
type kind struct{ Value, Label string }

// editor is the form for one line.
type editor struct {
	Title   string
	Kind    int
	Setting *setting
	Away    string // leads out of it; empty: it always stands there
	Open    bool   // it is asked for, or something is wrong with it
	refusal
}

// kind is which of the lines of the listing a command is; -1: none.
func (l listing) kind(command *config.Command) int {
	return slices.IndexFunc(l.lines, func(one line) bool { return one.syntax == command.Syntax })
}

// has gives the candidate, and what it has of the listing at the place of the page.
func (l listing) has(ctx context.Context, v *visit) (*model.Config, []config.PrintedLine, error) {
	c, lines, err := v.linesAt(ctx, l.mode)
	return c, slices.DeleteFunc(lines, func(have config.PrintedLine) bool { return l.kind(have.Command) < 0 }), err
}

// table is what is listed.
func (l listing) table(g *config.Grammar, lines []config.PrintedLine) (heading []string, rows [][]string) {
	if len(l.lines) > 1 {
		for _, have := range lines {
			rows = append(rows, []string{l.lines[l.kind(have.Command)].label, config.Redact(have.Text)})
		}
		return []string{"What", "Line"}, rows
	}
	blank := g.Command(l.mode, l.lines[0].syntax).Blank()
	for _, f := range blank.Fields {
		heading = append(heading, configured(argumentOf(f, "", "", ""), f).Label)
	}
	for _, have := range lines {
		filled := blank.Fill(have.Args)
		var row []string
		for _, f := range blank.Fields {
			text := filled[f.Name]
			switch {
			case text != "" && f.Arg == nil:
				text = "yes"
			case text == "" && f.Arg != nil && f.Arg.Default != nil:
				text = f.Arg.Type.Format(f.Arg.Default)
			}
			row = append(row, config.Redact(text))
		}
		rows = append(rows, row)
	}
	return heading, rows
}

// list implements lister.
func (l listing) list(ctx context.Context, v *visit) ([]string, [][]string, error) {
	_, mine, err := l.has(ctx, v)
	if err != nil {
		return nil, nil, err
	}
	heading, rows := l.table(v.Grammar, mine)
	return heading, rows, nil
}

func (l listing) show(ctx context.Context, v *visit) (view, error) {
	c, mine, err := l.has(ctx, v)
	if err != nil {
		return view{}, err
	}
	one, err := l.asked(v, mine)
	if err != nil {
		return view{}, err
	}
	return l.view(v, c, mine, one), nil
}

// view is the table with a form.
func (l listing) view(v *visit, c *model.Config, mine []config.PrintedLine, one *editor) view {
	s := listingShown{Form: v.form(l), Title: l.title, Here: address(v.page.path, v.at()), Find: strings.TrimSpace(v.request.URL.Query().Get("find-" + l.id)), Editor: one}
	s.CSV = l.asking(v, url.Values{"part": {l.id}, "as": {"csv"}})
	s.Searched = len(mine) > rowsFew
	var found []config.PrintedLine
	for _, have := range mine {
		switch {
		case s.Find != "" && !strings.Contains(strings.ToLower(config.Redact(have.Text)), strings.ToLower(s.Find)):
		case len(found) == rowsMost:
			s.More++
		default:
			found = append(found, have)
		}
	}
	heading, rows := l.table(v.Grammar, found)
	s.Columns = heading
	for i, have := range found {
		row := listed{Cells: rows[i], Text: config.Redact(have.Text), Edit: l.asking(v, url.Values{"edit": {l.id + "." + mark(&have)}}) + "#part-" + l.id}
		row.Current = one != nil && one.Setting.Was == mark(&have)
		if have.Command.Opens != "" {
			row.Open = v.placePath(append(slices.Clone(v.at()), have.Text))
		}
		s.Rows, s.Lines = append(s.Rows, row), append(s.Lines, row.Text)
	}
	if len(l.lines) > 1 {
		for i, of := range l.lines {
			s.Kinds = append(s.Kinds, kind{l.id + "." + strconv.Itoa(i), of.label})
		}
	}
	if one != nil {
		one.Setting.shown(v.offered(c))
	}
	return view{template: "listing", data: s}
}

// asking is the address of the page with a question.
func (l listing) asking(v *visit, query url.Values) string {
	query["at"] = v.at()
	return v.page.path + "?" + query.Encode()
}

// asked is the form that the address of the page asks for: a line of the table, or
// a new one; where there is one kind of line, that without being asked.
func (l listing) asked(v *visit, mine []config.PrintedLine) (*editor, error) {
	query := v.request.URL.Query()
	if part, row, ok := strings.Cut(query.Get("edit"), "."); ok && part == l.id {
		return l.editor(v, mine, 0, row)
	}
	if part, k, ok := strings.Cut(query.Get("add"), "."); ok && part == l.id {
		n, err := strconv.Atoi(k)
		if err != nil {
			return nil, fmt.Errorf("%q is nothing that can be added", k)
		}
		return l.editor(v, mine, n, "")
	}
	if len(l.lines) > 1 {
		return nil, nil
	}
	return l.editor(v, mine, 0, "")
}

// editor makes the form for the line with a mark, or for a new one of a kind.
func (l listing) editor(v *visit, mine []config.PrintedLine, k int, row string) (*editor, error) {
	e := &editor{Kind: k}
	if row != "" {
		i := slices.IndexFunc(mine, func(have config.PrintedLine) bool { return mark(&have) == row })
		if i < 0 {
			return nil, errors.New("the line is gone, or another one by now: choose it in the table")
		}
		mine = mine[i : i+1]
		e.Kind, e.Title = l.kind(mine[0].Command), "Change"
	} else {
		mine = nil
	}
	if e.Kind < 0 || e.Kind >= len(l.lines) {
		return nil, fmt.Errorf("kind %d is nothing that can be added", e.Kind)
	}
	of := l.lines[e.Kind]
	if row == "" {
		e.Title = "Add: " + of.label
	}
	if row != "" || len(l.lines) > 1 {
		e.Away, e.Open = address(v.page.path, v.at()), true
	}
	var err error
	if e.Setting, err = newSetting(v.Grammar, l.id, l.mode, of, mine); err != nil {
		return nil, err
	}
	e.Setting.Row = true
	return e, nil
}

// take adds, changes or removes a line.
func (l listing) take(ctx context.Context, v *visit) (answer, error) {
	c, mine, err := l.has(ctx, v)
	if err != nil {
		return answer{}, err
	}
	posted := v.request.PostForm
	k, _ := strconv.Atoi(posted.Get("kind"))
	e, err := l.editor(v, mine, k, posted.Get(l.id+".was"))
	if err != nil {
		return answer{}, err
	}
	again := func() (answer, error) {
		e.Open = true
		return answer{instead: l.view(v, c, mine, e)}, nil
	}
	s := e.Setting
	var want []string
	var of *variant
	if posted.Get("do") == "remove" {
		if s.have == nil {
			return answer{}, errors.New("the form does not say which line is to go")
		}
		undo, can := v.Grammar.Undo(v.at(), *s.have)
		if !can {
			return answer{}, fmt.Errorf("%q cannot be removed", config.Redact(s.have.Text))
		}
		want = []string{undo}
	} else {
		s.read(posted)
		if s.have == nil && s.empty() {
			return answer{notice: "Nothing was filled in."}, nil
		}
		var ok bool
		if want, of, ok = l.put(v, c, s, mine); !ok {
			return again()
		}
		if len(want) == 0 {
			return answer{notice: "Nothing was changed."}, nil
		}
	}
	refused, ok := v.bring(ctx, want, func(_ int, fault *config.Error) { s.blame(of, fault) })
	if !ok {
		e.refusal = refused
		return again()
	}
	var said []string
	for _, text := range want {
		said = append(said, s.said(text))
	}
	a := answer{notice: inCandidate(said)}
	if s.have == nil && of.command.Opens != "" { // there is more to say of it
		a.to = v.placePath(append(slices.Clone(v.at()), want[0]))
	}
	return a, nil
}

// put gives the lines that bring a line in, in the place of the one that is changed.
func (l listing) put(v *visit, c *model.Config, s *setting, mine []config.PrintedLine) (want []string, of *variant, ok bool) {
	of, text, ok := s.compose()
	if !ok {
		return nil, of, false
	}
	if s.have != nil && s.have.Text == text {
		return nil, of, true
	}
	if slices.ContainsFunc(mine, func(have config.PrintedLine) bool { return have.Text == text }) {
		s.Fault = "there is such a line already"
		return nil, of, false
	}
	if s.have == nil || l.replaces(v, c, s, of) {
		return []string{text}, of, true
	}
	if s.have.Command.Opens != "" {
		s.Fault = "what is in there belongs to the name: add another one, and remove this one"
		return nil, of, false
	}
	undo, can := v.Grammar.Undo(v.at(), *s.have)
	if !can {
		s.Fault = "the line cannot be left out"
		return nil, of, false
	}
	return []string{undo, text}, of, true
}

// replaces reports whether the line that is wanted takes the place of the one that
// is changed by itself.
func (l listing) replaces(v *visit, c *model.Config, s *setting, of *variant) bool {
	stored := of.blank.Fill(s.have.Args)
	filled := maps.Clone(of.filled)
	for _, f := range of.blank.Fields {
		if isSecret(f) { // here nobody can seal another one
			filled[f.Name] = stored[f.Name]
		}
	}
	text, wrong := of.blank.Compose(filled)
	if wrong != nil || text == s.have.Text {
		return true
	}
	after := &model.Config{}
	brought := strings.Join(append(slices.Clone(v.at()), text), "\n") + "\n"
	if faults := v.Grammar.Merge(after, v.Grammar.Render(c)+brought); len(faults) > 0 {
		return true // control says what is wrong with it
	}
	lines, _ := v.Grammar.LinesAt(after, v.at())
	return !slices.ContainsFunc(lines, func(have config.PrintedLine) bool { return have.Text == s.have.Text })
}
