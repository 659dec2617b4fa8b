package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// trial are commands of tests.
func trial(run func(context.Context, exec.Session, config.Args) error) []exec.Command {
	return []exec.Command{
		{Syntax: "show thing [last COUNT]", Help: "Show it", Args: []config.Argument{{Name: "COUNT", Type: config.Integer{Min: 1, Max: 9}, Help: "How many"}}, Run: run},
		{Syntax: "make thing [loud]", Level: exec.Privileged, Help: "Make it now", Run: run},
		{Syntax: "make thing at TIME", Level: exec.Privileged, Help: "Make it then", Args: []config.Argument{{Name: "TIME", Type: config.TimeOfDay{}, Help: "When"}}, Run: run},
		{Syntax: "make token TOKEN", Level: exec.Privileged, Help: "Say it", Args: []config.Argument{{Name: "TOKEN", Type: config.Token{Max: 9}, Help: "What"}}, Run: run},
	}
}

// trialBox has one page of parts that type those.
func trialBox(t *testing.T, answers map[string]any, run func(context.Context, exec.Session, config.Args) error, parts ...part) *box {
	t.Helper()
	if answers == nil {
		answers = map[string]any{}
	}
	answers["control.access.audit"] = struct{}{}
	b := newBox(t, answers, func(o *Options) { o.Commands = trial(run) })
	b.server.pages["/trial"] = &page{path: "/trial", title: "Trial", parts: parts}
	return b
}

var making = doing{command: "make thing [loud]", others: []string{"make thing at TIME"}, title: "Make", button: "Make it", as: "make"}

// TestDoing: a form makes the line that a person would type.
func TestDoing(t *testing.T) {
	says := func(_ context.Context, s exec.Session, a config.Args) error {
		fmt.Fprintf(s, "Time: %v\n%% <b>\x1b[2J\n", a["TIME"])
		switch {
		case a.Has("loud"):
			return fmt.Errorf("too loud")
		case a.Has("TOKEN") && a.Token("TOKEN") == "bad":
			panic("a fault of ours")
		}
		return nil
	}
	b := trialBox(t, nil, says, making, doing{command: "make token TOKEN", title: "Say", button: "Say it", as: "say", danger: true})
	w := b.login(t, user)
	for _, test := range []struct {
		name, part string
		fields     url.Values
		status     int
		want       []string
		audited    string
	}{
		{"the first way", "make", url.Values{"way": {"0"}}, 200, []string{"<dt class=\"level0\">Time</dt><dd>&lt;nil&gt;</dd>", "&lt;b&gt;?[2J", "Ended"}, "make thing"},
		{"an error", "make", url.Values{"way": {"0"}, "make.0.loud": {"loud"}}, 200, []string{"Too loud."}, "make thing loud"},
		{"another way", "make", url.Values{"way": {"1"}, "make.1.TIME": {"03:30"}}, 200, []string{"<code>make thing at 03:30</code>"}, "make thing at 03:30"},
		{"a value that is none", "make", url.Values{"way": {"1"}, "make.1.TIME": {"25:00"}}, 422, []string{`value="25:00"`, `aria-invalid="true"`}, ""},
		{"a value that is missing", "make", url.Values{"way": {"1"}}, 422, []string{"this is needed"}, ""},
		{"a field of another way", "make", url.Values{"way": {"0"}, "make.1.TIME": {"03:30"}}, 422, []string{"A field of another choice", `value="03:30"`, `name="way" value="0" checked`}, ""},
		{"no way", "make", url.Values{"way": {"7"}}, 422, []string{"Say which of them."}, ""},
		{"not sure", "say", url.Values{"way": {"0"}, "say.0.TOKEN": {"hush"}}, 422, []string{"I am sure", "Tick"}, ""},
		{"a fault of ours", "say", url.Values{"way": {"0"}, "say.0.TOKEN": {"bad"}, "sure": {"yes"}}, 200, []string{"The command has failed: the log says why."}, "make token ***"},
		{"a secret", "say", url.Values{"way": {"0"}, "say.0.TOKEN": {"hush"}, "sure": {"yes"}}, 200, []string{"<code>make token ****</code>"}, "make token ****"},
	} {
		before := len(audits(b))
		status, text := w.send("/trial", test.part, test.fields)
		if status != test.status {
			t.Errorf("%s: status %d; want %d", test.name, status, test.status)
		}
		for _, want := range test.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %s in %s", test.name, want, text)
			}
		}
		if strings.Contains(text, "hush") {
			t.Errorf("%s: the page says the secret", test.name)
		}
		if noted := strings.Join(audits(b)[before:], "\n"); noted != test.audited {
			t.Errorf("%s: %q is in the log of access; want %q", test.name, noted, test.audited)
		}
	}
}

// audits are the lines in the log of access.
func audits(b *box) (lines []string) {
	for _, call := range b.Called() {
		var audit model.Audit
		if params, is := strings.CutPrefix(call, "control.access.audit "); is && json.Unmarshal([]byte(params), &audit) == nil {
			lines = append(lines, audit.Line)
		}
	}
	return lines
}

// TestQuestions: what a command asks while it runs is asked on the page, and
// answered there; who has said beforehand that he is sure is not asked for that.
func TestQuestions(t *testing.T) {
	asks := func(_ context.Context, s exec.Session, _ config.Args) error {
		if err := s.Confirm("Really?"); err != nil {
			return err
		}
		secret, err := s.Secret("Password: ")
		if err != nil {
			return err
		}
		text, err := s.Paste("the <text>", false)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s, "Octets: %d of %q\n", len(secret), text)
		return err
	}
	b := trialBox(t, nil, asks, making, doing{command: "make thing [loud]", title: "At once", button: "Make it", as: "once", danger: true})
	w := b.login(t, user)
	step := func(part string, fields url.Values, want string) {
		t.Helper()
		if _, text := w.send("/trial", part, fields); !strings.Contains(text, want) {
			t.Fatalf("%v: no %q in %s", fields, want, text)
		}
	}
	step("make", url.Values{"way": {"0"}}, "Really?")
	step("make", url.Values{"way": {"0"}}, "It runs already")
	step("make", url.Values{"do": {"decline"}, "question": {"Really?"}}, "Not confirmed.")
	step("make", url.Values{"do": {"forget"}}, "Make it")
	step("make", url.Values{"way": {"0"}}, "Really?")
	step("make", url.Values{"do": {"answer"}, "question": {"Something else?"}, "answer": {"yes"}}, "Really?")
	step("make", url.Values{"do": {"answer"}, "question": {"Really?"}, "answer": {"yes"}}, `type="password"`)
	step("make", url.Values{"do": {"answer"}, "question": {"Password: "}, "answer": {"hush"}}, "Paste the &lt;text&gt;")
	step("make", url.Values{"do": {"answer"}, "question": {"Paste the <text>"}, "answer": {"a\r\nb"}}, `4 of &#34;a\nb&#34;`)
	step("once", url.Values{"way": {"0"}, "sure": {"yes"}}, "Password: ") // it is sure already
}

// TestJobs: what runs long goes on after the answer, is cancelled by hand, and ends
// with its session.
func TestJobs(t *testing.T) {
	ended := make(chan error, 1)
	waits := func(ctx context.Context, s exec.Session, _ config.Args) error {
		fmt.Fprintln(s, "So far")
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}
	b := trialBox(t, nil, waits, making)
	w := b.login(t, user)
	end := func(what string) {
		t.Helper()
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Fatalf("the job goes on after %s", what)
		}
	}
	if _, text := w.send("/trial", "make", url.Values{"way": {"0"}}); !strings.Contains(text, "Running, ") || !strings.Contains(text, "So far") || !strings.Contains(text, `data-every="2"`) {
		t.Fatalf("the page does not say that it runs: %s", text)
	}
	w.send("/trial", "make", url.Values{"do": {"forget"}})
	end("it was cancelled")
	for limit := time.Now().Add(time.Minute); ; { // the first has said that it ends, and is about to
		if _, text := w.send("/trial", "make", url.Values{"way": {"0"}}); !strings.Contains(text, "It runs already") {
			break
		}
		if time.Now().After(limit) {
			t.Fatal("the job that was cancelled has not ended")
		}
	}
	b.people.clear(1)
	end("its session")
}

// TestLinksAfterForm: the page with which a form comes back has links for files, and in
// none of them is what was sent.
func TestLinksAfterForm(t *testing.T) {
	says := func(_ context.Context, s exec.Session, _ config.Args) error {
		fmt.Fprintln(s, "State: up")
		return nil
	}
	b := trialBox(t, nil, says, showing{command: "show thing [last COUNT]", title: "Things"}, doing{command: "make token TOKEN", title: "Say", button: "Say it", as: "say"})
	w := b.login(t, user)
	status, text := w.send("/trial", "say", url.Values{"way": {"0"}, "say.0.TOKEN": {"more than nine"}})
	links := linksWith(t, text, "as")
	if status != http.StatusUnprocessableEntity || len(links) != 1 {
		t.Fatalf("the form again = %d, links to files %q: %s", status, links, text)
	}
	for _, key := range []string{"token", "say.0.TOKEN", "way"} {
		if sent := linksWith(t, text, key); len(sent) > 0 {
			t.Errorf("links have %s = %q", key, sent)
		}
	}
}

// TestShowingSlow: a page does not wait for a part that takes its time. That is fetched
// a moment later, or, without a script, by a link.
func TestShowingSlow(t *testing.T) {
	says := func(_ context.Context, s exec.Session, _ config.Args) error {
		_, err := fmt.Fprintln(s, "Thing: measured")
		return err
	}
	w := trialBox(t, nil, says, showing{command: "show thing [last COUNT]", title: "Thing", slow: true}).login(t, user)
	for path, want := range map[string]string{
		"/trial":            `data-every="1"`,
		"/trial?part=thing": "<dd>measured</dd>",
		"/trial?wait=thing": "<dd>measured</dd>",
	} {
		_, text := w.get(path)
		if !strings.Contains(text, want) || strings.Contains(text, "measured") != strings.Contains(want, "measured") {
			t.Errorf("%s is %s; want %q", path, text, want)
		}
		if waits := strings.Contains(text, `href="/trial?wait=thing#part-thing"`); waits != (path == "/trial") {
			t.Errorf("%s has the link to wait: %t", path, waits)
		}
	}
}

// TestShowingFault: what keeps a part from knowing its line stands on the page.
func TestShowingFault(t *testing.T) {
	lost := func(context.Context, *visit) (map[string]string, error) {
		return nil, errors.New("control does not run")
	}
	b := trialBox(t, nil, nil, showing{command: "show thing [last COUNT]", title: "Things", preset: lost})
	if _, text := b.login(t, user).get("/trial"); !strings.Contains(text, "Control does not run.") {
		t.Errorf("no fault in %s", text)
	}
}

// TestShowing: what a command prints stands on the page and is to be had as CSV.
func TestShowing(t *testing.T) {
	says := func(_ context.Context, s exec.Session, a config.Args) error {
		fmt.Fprintf(s, "State: <up>\nName  Calls\n=1    %d\n", a.Int("COUNT"))
		if a.Int("COUNT") == 9 {
			return fmt.Errorf("no more")
		}
		if err := s.Confirm("?"); err == nil {
			return fmt.Errorf("who has agreed?")
		}
		return nil
	}
	b := trialBox(t, nil, says, showing{command: "show thing [last COUNT]", title: "Things", every: 5 * time.Second})
	w := b.login(t, user)
	for path, wants := range map[string][]string{
		"/trial":                           {"<dd>&lt;up&gt;</dd>", `<th scope="col">Calls</th>`, "<td>=1</td><td>0</td>", `data-every="5"`, "<code>show thing</code>"},
		"/trial?part=thing&thing.COUNT=3":  {"<td>=1</td><td>3</td>", "<code>show thing last 3</code>"},
		"/trial?part=thing&thing.COUNT=9":  {"<td>=1</td><td>9</td>", "No more."},
		"/trial?part=thing&thing.COUNT=99": {"99 is not between 1 and 9", `value="99"`},
	} {
		_, text := w.get(path)
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %s in %s", path, want, text)
			}
		}
	}
	if _, text := w.get("/trial?part=thing&thing.COUNT=3&as=csv"); text != "Name,Calls\r\n'=1,3\r\n" {
		t.Errorf("CSV: %q", text)
	}
}

// TestNotedOverCOM: what is typed over COM is written down, whatever the browser says
// of who asks for it; what a page fetches again is not.
func TestNotedOverCOM(t *testing.T) {
	b := trialBox(t, nil, func(context.Context, exec.Session, config.Args) error { return nil },
		showing{command: "show thing [last COUNT]", title: "Things"})
	b.people.rights[model.COMAdmin] = everything
	w := b.login(t, model.COMAdmin)
	get := func(path string) { w.do(with(w.request(http.MethodGet, path, ""), liveHeader, "1")) }
	get("/trial?part=thing")
	get("/trial?part=thing&thing.COUNT=3")
	get("/trial?part=thing")
	if got, want := audits(b), []string{"show thing", "show thing last 3"}; !slices.Equal(got, want) {
		t.Errorf("written down is %q; want %q", got, want)
	}
	w.get("/trial?part=thing")
	if got := audits(b); len(got) != 3 {
		t.Errorf("written down is %q; want the line that was asked for once more, too", got)
	}
}
