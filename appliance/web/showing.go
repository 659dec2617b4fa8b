package web

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/model"
	"causeway/appliance/web/shown"
)

// showing is a part that runs a show command and shows what it prints: fields,
// tables and text (package shown), which may be had as CSV. What may stand in the
// line besides its words is a form above it.
type showing struct {
	command string // its syntax: "show failed-calls [last COUNT] [rule RULE] [from CALLER]"
	title   string
	as      string        // its name; empty: made of the words of the command
	every   time.Duration // how often it is looked at again; 0: when somebody asks
	plain   bool          // what it prints is a text, and stands there as it is
	slow    bool          // it takes a second or more: the page comes without it and fetches it then
	preset  preset
	leads   []link // to where more is
}

// preset gives what stands in fields until somebody fills them in, by the names of
// the arguments.
type preset func(context.Context, *visit) (map[string]string, error)

// presetBy asks for it where there is one.
func presetBy(ctx context.Context, v *visit, by preset) (map[string]string, error) {
	filled := map[string]string{}
	if by == nil {
		return filled, nil
	}
	given, err := by(ctx, v)
	maps.Copy(filled, given)
	return filled, err
}

func (p showing) name() string {
	if p.as != "" {
		return p.as
	}
	return nameOf(p.command)
}

// nameOf makes the name of a part of the words that a command is never without.
func nameOf(syntax string) string {
	syntax, _, _ = strings.Cut(syntax, " [")
	words := slices.DeleteFunc(strings.Fields(syntax), func(word string) bool { return word != strings.ToLower(word) })
	return strings.TrimPrefix(strings.Trim(strings.Join(words, "-"), ":"), "show-")
}

func (p showing) permits(rights model.Rights) error {
	return config.PermitsCommand(rights, p.command)
}

// shownView is what showing.html is filled with.
type shownView struct {
	Title, Name, Path string
	At                []string
	Fields            []argument
	Folded            bool   // they are filled in as most want them
	Line              string // that was typed; empty: none, since something is missing
	Fault             string // of the line
	Blocks            []shown.Block
	CSV               string // where it is to be had; empty: nowhere
	Leads             []link
	Time              string
}

func (p showing) show(ctx context.Context, v *visit) (view, error) {
	if asked := v.request.Form; p.slow && asked.Get("part") != p.name() && asked.Get("wait") != p.name() {
		now := url.URL{Path: v.page.path, RawQuery: url.Values{"wait": {p.name()}}.Encode(), Fragment: "part-" + p.name()}
		return view{template: "late", data: link{Path: now.String(), Title: p.title}, every: time.Second}, nil
	}
	data := shownView{Title: p.title, Name: p.name(), Path: v.page.path, At: v.at(), Leads: v.open(p.leads)}
	line, fields, err := p.line(ctx, v)
	data.Fields = fields
	switch {
	case errors.Is(err, errIncomplete): // the fields say what is wrong
		return view{template: "showing", data: data}, nil
	case err != nil:
		return view{}, err
	}
	data.Folded = slices.ContainsFunc(fields, func(f argument) bool { return f.Needed })
	text, err := v.answerTo(ctx, line)
	data.Line, data.Time = line, v.clock(time.Now())
	if err != nil {
		data.Fault = sentence(err)
	}
	data.Blocks = blocks(text, p.plain)
	if len(data.Blocks) > 0 && !p.plain {
		data.CSV = v.csv(p.name())
	}
	return view{template: "showing", data: data, every: p.every}, nil
}

// blocks takes an answer apart, unless it is a text and nothing else.
func blocks(text string, plain bool) []shown.Block {
	switch {
	case !plain:
		return shown.Parse(text)
	case text == "":
		return nil
	}
	return []shown.Block{{Text: text}}
}

// open are the links to pages that who looks may see.
func (v *visit) open(leads []link) (list []link) {
	for _, one := range leads {
		path, _, _ := strings.Cut(one.Path, "?")
		path, _, _ = strings.Cut(path, "#")
		if v.reach(path) != nil {
			list = append(list, one)
		}
	}
	return list
}

// list gives what the command prints as the rows of a table.
func (p showing) list(ctx context.Context, v *visit) (heading []string, rows [][]string, err error) {
	line, _, err := p.line(ctx, v)
	if err != nil {
		return nil, nil, err
	}
	text, err := v.answerTo(ctx, line)
	if err != nil {
		return nil, nil, err
	}
	heading, rows = shown.List(text)
	return heading, rows, nil
}

var errIncomplete = errors.New("the line is not complete")

// line gives the line that the fields make, and the fields with what is wrong.
func (p showing) line(ctx context.Context, v *visit) (string, []argument, error) {
	table, err := v.table()
	if err != nil {
		return "", nil, err
	}
	c := table.Of(p.command)
	if c == nil {
		return "", nil, errors.New("there is no command " + p.command)
	}
	blank, err := blankOf(c)
	if err != nil {
		return "", nil, err
	}
	asked := slices.ContainsFunc(blank.Fields, func(f config.Field) bool { return v.request.Form.Has(p.name() + "." + f.Name) })
	filled := map[string]string{}
	if !asked { // else an empty field, and what is not ticked, is meant as well
		if filled, err = presetBy(ctx, v, p.preset); err != nil {
			return "", nil, err
		}
	}
	for _, f := range blank.Fields {
		if text := v.request.Form.Get(p.name() + "." + f.Name); text != "" {
			filled[f.Name] = text
		}
	}
	line, wrong := blank.Compose(filled)
	if !asked && len(wrong) > 0 {
		clear(wrong) // nobody has filled them in yet
		line = ""
	}
	fields := arguments(blank, p.name(), filled, wrong)
	if line == "" {
		return "", fields, errIncomplete
	}
	return line, fields, nil
}
