package normalization

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// FuzzApply: whatever a policy says, what comes out is a good message of the
// same call, dialog, transaction and body, and nothing differs from what came
// in but the start line or the fields that the policy names.
func FuzzApply(f *testing.F) {
	long := strings.Replace(invite, "X-Note", "P-Asserted-Identity: \"x\" <sip:1@a>, tel:+1;x\r\nX-Note", 1)
	for _, seed := range []struct {
		raw                 string
		action, kind        uint8
		header, name, match string
		value               string
	}{
		{long, 0, 0, "", "user", "^.(.*)", "$1$1"},
		{long, 0, 2, "P-Asserted-Identity", "uri", "", "sip:a;b,c@d"},
		{long, 0, 2, "Contact", "", "sip", "\"<,"},
		{long, 1, 1, "contact", "x", "", "a>b"},
		{long, 2, 3, "Diversion", "reason", "a", ""},
		{long, 1, 3, "P-Asserted-Identity", "x", "", "\",<sip:x>"},
		{long, 1, 2, "X-Note", "", "", "größer"},
		{response, 2, 2, "server", "", "", ""},
		{long, 3, 2, "P-Asserted-Identity", "", "", ""},
		{long, 4, 2, "P-Asserted-Identity", "", "", "[::1]:5"},
	} {
		f.Add([]byte(seed.raw), seed.action, seed.kind, seed.header, seed.name, seed.match, seed.value)
	}
	f.Fuzz(func(t *testing.T, raw []byte, action, kind uint8, header, name, match, value string) {
		var before, after message.Message
		if before.Parse(raw) != nil || before.Validate() != nil || len(value) > 1000 || len(match) > 100 {
			return
		}
		where := model.Field{Kind: model.FieldKind(kind % 4), Header: header}
		switch where.Kind {
		case model.FieldURIParam, model.FieldHeaderParam:
			where.Param = name
		default:
			where.Component = name
		}
		e, err := New(&model.SIP{Routing: model.Routing{Normalizers: []model.NormalizationPolicy{{
			Name: "p", Steps: []model.NormalizationStep{{
				Action: model.NormalizationAction(action % 5), Field: where, All: len(value)%2 == 0, Match: match, Value: value,
			}},
		}}}})
		if err != nil {
			return
		}
		out := e.Apply(nil, "p", &hop.Incoming{Message: &before}, nil)
		if out == nil {
			return
		}
		if err := after.Parse(out); err != nil {
			t.Fatalf("Parse(%q) = %v", out, err)
		}
		if fault := after.Validate(); fault != nil {
			t.Fatalf("Validate(%q) = %v", out, fault)
		}
		if len(after.Raw) != len(out) || !sameIdentity(&before, &after) {
			t.Errorf("%q is another message than %q", out, before.Raw)
		}
		if !bytes.Equal(startLine(&before), startLine(&after)) && (header != "" || before.IsResponse) {
			t.Errorf("start line %q became %q", startLine(&before), startLine(&after))
		}
		if was, is := others(&before, header), others(&after, header); !slices.Equal(was, is) {
			t.Errorf("other fields than %q: %q became %q", header, was, is)
		}
	})
}

func startLine(m *message.Message) []byte { return m.Raw[:m.FirstHeader] }

// others gives the lines of all fields but those with that name.
func others(m *message.Message, name string) (lines []string) {
	id := message.HeaderIDOf(name)
	for i := range m.Fields {
		f := &m.Fields[i]
		if f.ID != id || id == message.HeaderOther && !strings.EqualFold(string(m.Get(f.Name)), name) {
			lines = append(lines, string(m.Get(f.Line)))
		}
	}
	return lines
}
