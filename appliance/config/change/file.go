package change

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"causeway/appliance/model"
)

// A revision's file is the text of the configuration below a header of comment
// lines, so that it can be read, compared and loaded as it is:
//
//	! revision 17
//	! id 0123456789ab
//	! time 2026-03-01T12:00:00Z
//	! user console
//	! origin ttyS0
//	! version 1.4.0
//	! state withdrawn
//	! until
//	! reason not confirmed within 5 minutes
//	! comment a second trunk
//	!
//	hostname causeway
//
// There is one way to write each file, and only that way is read.

// field is one line of the header.
type field struct {
	name  string
	print func(r *Revision) string
	parse func(r *Revision, value string) error
}

// header is the lines in their order.
var header = []field{
	{"revision", func(r *Revision) string { return strconv.Itoa(r.Number) },
		func(r *Revision, value string) (err error) { r.Number, err = strconv.Atoi(value); return err }},
	textField("id", func(r *Revision) *string { return &r.ID }),
	timeField("time", func(r *Revision) *time.Time { return &r.Time }),
	textField("user", func(r *Revision) *string { return &r.Operator.User }),
	textField("origin", func(r *Revision) *string { return &r.Operator.Origin }),
	textField("version", func(r *Revision) *string { return &r.Version }),
	{"state", func(r *Revision) string { return string(r.State) }, parseState},
	timeField("until", func(r *Revision) *time.Time { return &r.Until }),
	textField("reason", func(r *Revision) *string { return &r.Reason }),
	textField("comment", func(r *Revision) *string { return &r.Comment }),
}

const headerEnd = "!\n"

func textField(name string, of func(*Revision) *string) field {
	return field{name,
		func(r *Revision) string { return *of(r) },
		// A value of its own: a part of the file would hold all of it in memory.
		func(r *Revision, value string) error { *of(r) = strings.Clone(value); return nil }}
}

// timeField is a time in UTC, in seconds; the zero time is empty.
func timeField(name string, of func(*Revision) *time.Time) field {
	return field{name,
		func(r *Revision) string {
			if of(r).IsZero() {
				return ""
			}
			return of(r).Format(time.RFC3339)
		},
		func(r *Revision, value string) (err error) {
			if value != "" {
				*of(r), err = time.Parse(time.RFC3339, value)
				*of(r) = of(r).UTC()
			}
			return err
		}}
}

func parseState(r *Revision, value string) error {
	r.State = State(strings.Clone(value))
	if !slices.Contains([]State{StatePending, StateCommitted, StateProven, StateWithdrawn}, r.State) {
		return errors.New("there is no such state")
	}
	return nil
}

// format writes the file of a revision that is clean.
func format(r Revision, text string) []byte {
	var b strings.Builder
	for _, f := range header {
		b.WriteString(strings.TrimRight("! "+f.name+" "+f.print(&r), " "))
		b.WriteByte('\n')
	}
	b.WriteString(headerEnd)
	b.WriteString(text)
	return []byte(b.String())
}

// parse reads the file of a revision. An error means that it is not, or not
// any more, what format wrote.
func parse(content []byte) (r Revision, text string, err error) {
	text = string(content)
	for _, f := range header {
		line, rest, _ := strings.Cut(text, "\n")
		value, isField := strings.CutPrefix(line, "! "+f.name)
		if !isField {
			return Revision{}, "", fmt.Errorf("its header has no %s", f.name)
		}
		if err := f.parse(&r, strings.TrimPrefix(value, " ")); err != nil {
			return Revision{}, "", fmt.Errorf("the %s in its header: %w", f.name, err)
		}
		text = rest
	}
	text, ended := strings.CutPrefix(text, headerEnd)
	switch {
	case !ended:
		return Revision{}, "", errors.New("its header does not end")
	case text == "" || model.RevisionID(text) != r.ID:
		return Revision{}, "", errors.New("its text is not the one that its id names")
	case string(format(r, text)) != string(content):
		return Revision{}, "", errors.New("its header is not as it was written")
	}
	return r, text, nil
}

// maxRemark bounds what a header line says, in octets.
const maxRemark = 500

// clean makes what comes from outside fit for a header line, and times as they
// are read back.
func (r *Revision) clean() {
	for _, remark := range []*string{&r.Operator.User, &r.Operator.Origin, &r.Version, &r.Reason, &r.Comment} {
		*remark = cleanRemark(*remark)
	}
	for _, t := range []*time.Time{&r.Time, &r.Until} {
		*t = t.UTC().Truncate(time.Second)
	}
}

func cleanRemark(s string) string {
	s = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) { // a line feed, a terminal's escape
			return ' '
		}
		return c
	}, strings.ReplaceAll(s, "\n", "; "))
	if len(s) > maxRemark {
		s = strings.ToValidUTF8(s[:maxRemark], "")
	}
	return strings.TrimSpace(s)
}
