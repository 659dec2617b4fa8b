package normalization

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"causeway/appliance/model"
	"causeway/appliance/routing/field"
	"causeway/appliance/sip/message"
)

// step is one step of a policy, ready for use.
type step struct {
	edit   func(s *step, w *work, m *message.Message) // makes the edits of the step in w
	action model.NormalizationAction
	all    bool
	match  *regexp.Regexp // nil: everything
	value  template

	header string       // name of the header field; empty: the Request-URI is meant
	fields field.Reader // finds the fields of that name
	part   part         // of the URI; nil: the parameter is meant
	param  []byte       // its name
	quotes bool         // its value is quoted where that is needed
}

// editors are the functions that make a step's edits, by its action and the
// part of the message. What is not in the table is not possible.
var editors = map[model.NormalizationAction]map[model.FieldKind]func(s *step, w *work, m *message.Message){
	model.NormalizeUpdate: {
		model.FieldRequestURI: editURIs, model.FieldURIParam: editURIs,
		model.FieldHeader: updateFields, model.FieldHeaderParam: editParams,
	},
	model.NormalizeAdd: {
		model.FieldURIParam: editURIs, model.FieldHeader: addField, model.FieldHeaderParam: editParams,
	},
	model.NormalizeRemove: {
		model.FieldURIParam: editURIs, model.FieldHeader: removeFields, model.FieldHeaderParam: editParams,
	},
	model.NormalizeSIPToTel: {model.FieldRequestURI: editURIs, model.FieldHeader: editURIs},
	model.NormalizeTelToSIP: {model.FieldRequestURI: editURIs, model.FieldHeader: editURIs},
}

// protected are the header fields that frame a message or say which one it is,
// what way it takes and where its answers go.
var protected = []message.HeaderID{
	message.HeaderVia, message.HeaderCallID, message.HeaderCSeq, message.HeaderContentLength,
	message.HeaderMaxForwards, message.HeaderRoute, message.HeaderRecordRoute,
}

// compile makes a step ready for use.
func compile(n *model.NormalizationStep) (step, error) {
	s := step{
		edit: editors[n.Action][n.Field.Kind], action: n.Action, all: n.All,
		header: n.Field.Header, param: []byte(n.Field.Param), quotes: n.Field.Kind == model.FieldHeaderParam,
	}
	if s.edit == nil {
		return s, errors.New("this part of a message cannot be changed that way")
	}
	var err error
	if s.fields, err = field.Compile(n.Field); err != nil {
		return s, err
	}
	if err := s.compilePlace(n); err != nil {
		return s, err
	}
	return s, s.compileValue(n)
}

// compilePlace refuses what a policy may not touch, and finds the part of URIs.
func (s *step) compilePlace(n *model.NormalizationStep) error {
	f := n.Field
	wholeField := f.Kind == model.FieldHeader && f.Component == "" && s.action <= model.NormalizeRemove
	id := message.HeaderIDOf(f.Header)
	switch {
	case f.Header != "" && !message.IsToken(f.Header):
		return fmt.Errorf("%q is no name of a header field", f.Header)
	case f.Param != "" && !message.IsToken(f.Param):
		return fmt.Errorf("%q is no name of a parameter", f.Param)
	case slices.Contains(protected, id):
		return fmt.Errorf("%v belongs to the proxy; a policy cannot change it", id)
	case (id == message.HeaderFrom || id == message.HeaderTo) &&
		(wholeField || f.Kind == model.FieldHeaderParam && strings.EqualFold(f.Param, "tag")):
		return fmt.Errorf("the tag of %v belongs to the dialog; change a part of the URI instead", id)
	case f.Component != "" && s.action != model.NormalizeUpdate:
		return errors.New("a part of a URI can only be updated")
	}
	switch {
	case s.action == model.NormalizeSIPToTel || s.action == model.NormalizeTelToSIP:
		s.part = parts["phone"]
	case !wholeField && (f.Kind == model.FieldRequestURI || f.Kind == model.FieldHeader):
		if s.part = parts[f.Component]; s.part == nil {
			return fmt.Errorf("the %s of a URI cannot be changed", f.Component)
		}
	}
	return nil
}

// compileValue reads expression and value, as far as the action has them.
func (s *step) compileValue(n *model.NormalizationStep) error {
	if n.Match != "" {
		if s.action != model.NormalizeUpdate && s.action != model.NormalizeRemove {
			return errors.New("there is no old value to compare with an expression")
		}
		var err error
		if s.match, err = regexp.Compile(n.Match); err != nil {
			return fmt.Errorf("read the expression: %w", err)
		}
	}
	switch s.action {
	case model.NormalizeRemove, model.NormalizeSIPToTel:
		if n.Value != "" {
			return errors.New("this action takes no value")
		}
		return nil
	case model.NormalizeTelToSIP:
		if uri := "sip:a@" + n.Value; !isHostPort(uri) {
			return fmt.Errorf("%q is no host", n.Value)
		}
	}
	var err error
	if s.value, err = compileTemplate(n.Value, s.match); err != nil {
		return err
	}
	if n.Field.Kind == model.FieldHeader && s.part == nil && s.match == nil && !balanced([]byte(n.Value)) {
		return errors.New("the value has a quote or angle bracket without its other half")
	}
	return nil
}

// isHostPort says whether all of the SIP URI behind its at sign is a host and
// perhaps a port.
func isHostPort(uri string) bool {
	raw := []byte(uri)
	read, err := message.ParseURI(raw, message.Span{End: uint16(len(raw))})
	return err == nil && int(read.HostPort.End) == len(raw)
}
