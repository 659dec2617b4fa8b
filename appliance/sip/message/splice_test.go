package message

import (
	"strings"
	"testing"
)

func TestSplice(t *testing.T) {
	const text = "0123456789"
	rows := []struct {
		edits []Edit
		want  string
	}{
		{nil, "0123456789"},
		{[]Edit{{Span{0, 0}, []byte("a")}}, "a0123456789"},
		{[]Edit{{Span{10, 10}, []byte("a")}}, "0123456789a"},
		{[]Edit{{Span{2, 4}, nil}}, "01456789"},
		{[]Edit{{Span{2, 2}, []byte("a")}, {Span{2, 2}, []byte("b")}, {Span{2, 3}, []byte("c")}, {Span{3, 9}, nil}}, "01abc9"},
		{[]Edit{{Span{0, 10}, []byte("all")}}, "all"},
	}
	for _, row := range rows {
		if got := string(Splice([]byte(">"), []byte(text), row.edits)); got != ">"+row.want {
			t.Errorf("Splice(%v) = %q; want %q", row.edits, got, ">"+row.want)
		}
	}
}

// TestRoutes walks Route fields of every shape: the elements, what remains
// when each is cut alone, and when the first n are cut together.
func TestRoutes(t *testing.T) {
	const (
		alone = "Route: <sip:one.example;lr>\r\n"
		pair  = "Route: <sip:two.example;lr> ,\r\n \"3, x\" <sip:three.example>;p=q\r\n"
	)
	m := parsed(t, altered(t, invite, "Route: <sip:192.0.2.10:5060;lr>\r\n", alone+pair))
	without := func(edits ...Edit) string { // the Route lines that remain
		text := string(Splice(nil, m.Raw, edits))
		_, text, _ = strings.Cut(text, "Max-Forwards: 70\r\n")
		text, _, _ = strings.Cut(text, "Contact:")
		return text
	}
	wants := []struct{ uri, cut string }{
		{"sip:one.example;lr", pair},
		{"sip:two.example;lr", alone + "Route: \"3, x\" <sip:three.example>;p=q\r\n"},
		{"sip:three.example", alone + "Route: <sip:two.example;lr>\r\n"},
	}
	count := 0
	for i, route := range m.Routes() {
		if i != count || i >= len(wants) {
			t.Fatalf("Routes gives element %d after %d", i, count)
		}
		if uri := string(m.Get(route.URI)); uri != wants[i].uri {
			t.Errorf("Route %d = %q; want %q", i, uri, wants[i].uri)
		}
		if got := without(Edit{At: route.Cut}); got != wants[i].cut {
			t.Errorf("without Route %d: %q; want %q", i, got, wants[i].cut)
		}
		count++
	}
	if count != len(wants) {
		t.Errorf("Routes gives %d elements; want %d", count, len(wants))
	}
	for n, want := range []string{
		alone + pair,
		pair,
		"Route: \"3, x\" <sip:three.example>;p=q\r\n",
		"",
		"",
	} {
		if got := without(m.CutRoutes(nil, n)...); got != want {
			t.Errorf("CutRoutes(%d) leaves %q; want %q", n, got, want)
		}
	}
	for i := range m.Routes() {
		if i == 1 {
			break // a caller may stop early
		}
	}
}

// TestForwardAllocatesNothing walks what the core does with each request.
func TestForwardAllocatesNothing(t *testing.T) {
	m := parsed(t, []byte(invite))
	buffer := make([]byte, 0, 4096)
	edits := make([]Edit, 0, 8)
	allocations := testing.AllocsPerRun(100, func() {
		for i, route := range m.Routes() {
			uri, err := ParseURI(m.Raw, route.URI)
			if addr, ok := uri.Addr(m.Raw); err != nil || !ok || !addr.Is4() || !uri.Loose || i != 0 {
				t.Error("Route is not as written")
			}
		}
		edits = m.CutRoutes(edits[:0], 1)
		buffer = Splice(buffer[:0], m.Raw, edits)
	})
	if allocations != 0 {
		t.Errorf("forwarding allocates %v times; want 0", allocations)
	}
}
