package web

import (
	"context"
	"maps"
	"net/url"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// inCallHome is the mode of Call Home, and callHomePlace the line that opens it.
const (
	inCallHome    config.Mode = "config-call-home"
	callHomePlace string      = "call-home"
)

// callHomePath is its page.
const callHomePath = "/administration/call-home"

// callHome is the form of CH-34: it saves and commits at once, unless the candidate
// has other changes.
type callHome struct{}

func (callHome) name() string { return "call-home" }

// permits leaves the form out for who neither sees the candidate nor changes any of
// it: who is called, and where, is in it.
func (callHome) permits(rights model.Rights) error {
	all := config.PermitsCommand(rights, showCandidateCommand)
	if all == nil || rights.May(model.RuleConfigure, callHomePlace) || rights.Within(model.RuleConfigure, callHomePlace, true) {
		return permitsConfigure(rights)
	}
	return all
}

// commands are the lines that the form has a field for.
func (callHome) commands() (config.Mode, []line) {
	var lines []line
	for _, group := range callHomeGroups {
		for _, f := range group.fields {
			if n := len(lines); n == 0 || lines[n-1].syntax != f.syntax { // the proxy has two fields
				lines = append(lines, line{f.label, f.syntax})
			}
		}
	}
	return inCallHome, lines
}

// callHomeView is what callhome.html is filled with.
type callHomeView struct {
	Form           form
	URL            string
	LastSent, Next string
	Missing        []string // before anything is sent, a sentence each
	Groups         []callHomeFieldset
	Fault          string // of all
	Held           *heldError
}

type callHomeFieldset struct {
	Title  string
	Fields []callHomeInput
}

// callHomeInput is a field as a browser shows it.
type callHomeInput struct {
	Name, Label, Words, Hint, Value, Fault string
	Needed, Box                            bool
	Before                                 *callHomeInput // a box that decides about the field
	Options                                []callHomeOption
	Unless                                 string // when page.js dims it
}

type callHomeOption struct{ Value, Text string }

func (c callHome) show(ctx context.Context, v *visit) (view, error) {
	candidate, err := v.candidate(ctx)
	if err != nil {
		return view{}, err
	}
	values := callHomeValues(v.Grammar, candidate)
	return c.filled(ctx, v, candidate, values, nil, nil)
}

// filled is the form with these values and faults, and with who holds the candidate.
func (c callHome) filled(ctx context.Context, v *visit, candidate *model.Config, values, faults map[string]string, held *heldError) (view, error) {
	status, err := v.callHome(ctx)
	if err != nil {
		return view{}, err
	}
	data := callHomeView{
		Form: inCallHomeForm(v, c), URL: address(v.page.path, v.at()), LastSent: "never", Next: "none", Missing: status.Pending, Fault: faults[""], Held: held,
	}
	if !status.LastSent.IsZero() {
		data.LastSent = v.clock(status.LastSent)
	}
	if !status.Next.IsZero() {
		data.Next = v.clock(status.Next)
	}
	for _, group := range callHomeGroups {
		set := callHomeFieldset{Title: group.title}
		for _, f := range group.fields {
			in := f.input(v.Grammar, values[f.name], faults[f.name])
			switch f.name {
			case chooseTransport:
				in.Hint = "E-mails go by " + mailServersText(candidate)
			case "copy-email-addr":
				in.Before = &callHomeInput{Name: chooseCopy, Label: in.Label, Value: values[chooseCopy], Unless: unlessEnabled.text()}
				in.Label = "E-mail addresses"
			}
			set.Fields = append(set.Fields, in)
		}
		data.Groups = append(data.Groups, set)
	}
	return view{template: "callhome", data: data}, nil
}

// callHome says how Call Home is doing.
func (v *visit) callHome(ctx context.Context) (model.CallHomeStatus, error) {
	return ask[model.CallHomeStatus](ctx, v, "control", "control.callhome.status")
}

// inCallHomeForm is what the forms of a part have that is always about Call Home.
func inCallHomeForm(v *visit, p part) form {
	f := v.form(p)
	f.At = []string{callHomePlace}
	return f
}

// input is the field with its declaration.
func (f callHomeField) input(g *config.Grammar, value, fault string) callHomeInput {
	command := g.Command(inCallHome, f.syntax)
	in := callHomeInput{
		Name: f.name, Label: f.label, Hint: command.Help, Value: value, Fault: fault, Needed: f.needed, Box: f.arg == "",
		Words: strings.Join(model.Keywords(f.syntax), " "),
	}
	var unless []string
	for _, n := range f.never {
		unless = append(unless, n.text())
	}
	in.Unless = strings.Join(unless, ";")
	for _, arg := range command.Args {
		if arg.Name != f.arg {
			continue
		}
		in.Hint += ". " + arg.Help
		if words, is := arg.Type.(config.Choice); is {
			for _, word := range words {
				text := f.options[word]
				if text == "" {
					text = word
				}
				in.Options = append(in.Options, callHomeOption{word, text})
			}
		}
	}
	return in
}

// lines gives the lines of a configuration in the mode of Call Home, by their syntax.
func callHomeLines(g *config.Grammar, c *model.Config) map[string]config.PrintedLine {
	found := map[string]config.PrintedLine{}
	lines, _ := g.LinesAt(c, []string{callHomePlace})
	for _, l := range lines {
		found[l.Command.Syntax] = l
	}
	return found
}

// callHomeValues are what stands in the fields for a configuration.
func callHomeValues(g *config.Grammar, c *model.Config) map[string]string {
	values, lines := map[string]string{}, callHomeLines(g, c)
	for _, group := range callHomeGroups {
		for _, f := range group.fields {
			l, is := lines[f.syntax]
			switch {
			case is && f.arg == "":
				values[f.name] = "1"
			case is:
				values[f.name] = l.Command.Blank().Fill(l.Args)[f.arg]
			}
		}
	}
	// What has no line has its default.
	values[chooseMode], values[chooseTransport] = c.CallHome.Does(), c.CallHome.By()
	if values["format"] == "" {
		values["format"] = model.CallHomeXML
	}
	if len(c.CallHome.Copies) > 0 {
		values[chooseCopy] = "1"
	}
	return values
}

// readCallHome takes what was sent for the values of the fields that count: the
// others stay as they are. faults are by the names of the fields.
func readCallHome(before map[string]string, sent url.Values) (values, faults map[string]string) {
	values, faults = maps.Clone(before), map[string]string{}
	if sent.Has(chooseMode) {
		values[chooseMode] = sent.Get(chooseMode)
	}
	if sent.Has(chooseTransport) && !unlessEnabled.meets(values) {
		values[chooseTransport] = sent.Get(chooseTransport)
	}
	if !unlessEnabled.meets(values) {
		values[chooseCopy] = sent.Get(chooseCopy)
	}
	for _, group := range callHomeGroups {
		for _, f := range group.fields {
			if !f.counts(values) {
				continue
			}
			if f.arg == "" || sent.Has(f.name) {
				values[f.name] = strings.TrimSpace(sent.Get(f.name))
			}
			if f.needed && values[f.name] == "" {
				faults[f.name] = "this is needed"
			}
		}
	}
	if values[chooseCopy] == "" {
		values["copy-email-addr"] = ""
	}
	if values[chooseMode] == model.CallHomeAnonymous {
		values["include-traces"] = ""
	}
	return values, faults
}

// text is the choice as page.js reads it.
func (n never) text() string { return n.choice + " " + strings.Join(n.values, " ") }

// mailServersText names the servers that e-mails go by (CH-34).
func mailServersText(c *model.Config) string {
	if len(c.CallHome.MailServers) == 0 {
		return "no server: there is no mail-server yet, which e-mail and copies need"
	}
	var hosts []string
	for _, server := range c.CallHome.MailServers {
		hosts = append(hosts, server.Host)
	}
	return strings.Join(hosts, ", ")
}

// meets says whether the choice has been made.
func (n never) meets(values map[string]string) bool {
	for _, value := range n.values {
		if values[n.choice] == value {
			return true
		}
	}
	return false
}

// counts says whether the field does anything beside what is chosen.
func (f callHomeField) counts(values map[string]string) bool {
	for _, n := range f.never {
		if n.meets(values) {
			return false
		}
	}
	return true
}

// composeCallHome writes the lines that make a configuration have the values, each
// with the name of its first field; faults are by the names of the fields.
func composeCallHome(g *config.Grammar, c *model.Config, values map[string]string) (lines, fields []string, faults map[string]string) {
	faults = map[string]string{}
	have := callHomeLines(g, c)
	for _, group := range callHomeGroups {
		for i, f := range group.fields {
			if i > 0 && group.fields[i-1].syntax == f.syntax {
				continue // it is in the line already
			}
			command, filled, of := g.Command(inCallHome, f.syntax), map[string]string{}, map[string]string{}
			for _, other := range group.fields[i:] {
				if other.syntax == f.syntax {
					filled[other.arg], of[other.arg] = values[other.name], other.name
				}
			}
			printed, is := have[f.syntax]
			if strings.Join(valuesOf(filled), "") == "" {
				if is {
					line, _ := g.Undo([]string{callHomePlace}, printed)
					lines, fields = append(lines, line), append(fields, f.name)
				}
				continue
			}
			line, wrong := command.Blank().Compose(filled)
			for arg, rule := range wrong {
				faults[of[arg]] = rule
			}
			if len(wrong) == 0 && (!is || line != printed.Text) {
				lines, fields = append(lines, line), append(fields, f.name)
			}
		}
	}
	return lines, fields, faults
}

func valuesOf(m map[string]string) (all []string) {
	for _, value := range m {
		all = append(all, value)
	}
	return all
}
