package config

import (
	"fmt"
	"strings"
)

// Error is one line that broke a rule.
type Error struct {
	Line   int    `json:"line"`   // 1 is the first; 0 when it is no line of a text
	Column int    `json:"column"` // the character of Text at fault; 1 is the first
	Text   string `json:"text"`   // the line without the blanks around it
	Rule   string `json:"rule"`   // what is wrong with it
}

// Error names the line, its text and the rule.
func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%q: %s", e.Text, e.Rule)
	}
	return fmt.Sprintf("line %d: %q: %s", e.Line, e.Text, e.Rule)
}

// Caret is a line that points at the word at fault when it is printed below Text.
func (e *Error) Caret() string { return strings.Repeat(" ", max(0, e.Column-1)) + "^" }

// Errors are all faults of one text, in the order of its lines. An error that is
// returned has at least one.
type Errors []*Error

// Error tells the first fault and how many follow.
func (e Errors) Error() string {
	switch len(e) {
	case 0:
		return "no fault"
	case 1:
		return e[0].Error()
	}
	return fmt.Sprintf("%v (and %d more)", e[0], len(e)-1)
}

// Unwrap lets errors.As find the first *Error.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i := range e {
		errs[i] = e[i]
	}
	return errs
}

// argumentError is a rule broken by one argument of a line.
type argumentError struct {
	argument string
	rule     string
}

func (e *argumentError) Error() string { return e.rule }

// BadArgument is the error of an Apply or Check whose rule the named argument
// broke; the caret then points at it.
func BadArgument(argument, format string, args ...any) error {
	return &argumentError{argument, fmt.Sprintf(format, args...)}
}
