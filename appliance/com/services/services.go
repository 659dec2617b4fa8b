// Package services is what COM may do on the box once the gate lets it: look at
// the configuration and change it, type commands, read files, bring firmware, and
// reach the servers of the box. Each service is a constructor that gives what
// the gate knows as methods and streams.
//
// In come calls that are admitted, and what a service takes of control. Out go
// results; an error with a code is made by gate.Refuse.
package services

import (
	"context"
	"encoding/json"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
)

// taking makes a handler of a function that has parameters of its own type.
func taking[P, R any](do func(ctx context.Context, caller gate.Caller, params P) (R, error)) func(context.Context, gate.Caller, json.RawMessage) (any, error) {
	return func(ctx context.Context, caller gate.Caller, raw json.RawMessage) (any, error) {
		var params P
		if err := parse(raw, &params); err != nil {
			return nil, err
		}
		return do(ctx, caller, params)
	}
}

// parse reads parameters; none are those that are zero.
func parse(raw json.RawMessage, params any) error {
	if len(raw) == 0 {
		return nil
	}
	if err := json.Unmarshal(raw, params); err != nil {
		return gate.Refuse(wire.CodeParams, "the parameters do not fit: %v", err)
	}
	return nil
}

// told makes what the access log says of parameters out of their own type.
func told[P any](what func(P) string) func(json.RawMessage) string {
	return func(raw json.RawMessage) string {
		var params P
		if err := json.Unmarshal(raw, &params); err != nil {
			return ""
		}
		return what(params)
	}
}

// longestText bounds what a person may read, in octets of JSON, so that it goes
// into a message of the link.
const longestText = 200 << 10

// cut gives the beginning of a text that fits, and whether that is all of it.
func cut(text string) (string, bool) {
	for whole := true; ; whole = false {
		quoted, err := json.Marshal(text)
		if err != nil || len(quoted) <= longestText { // a string is always JSON
			return text, whole
		}
		text = text[:len(text)*longestText/len(quoted)]
	}
}
