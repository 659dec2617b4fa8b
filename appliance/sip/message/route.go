package message

import "iter"

// Route is one element of a Route field.
type Route struct {
	NameAddr
	// Cut is what to remove from Raw to remove just this element: the whole
	// line when it is alone in its field, else the element and one comma.
	// To remove several use CutRoutes: the cuts of neighbours may overlap.
	Cut Span
}

// Routes iterates over the Route elements in their order across fields, with
// their index from 0. It ends at the first one that cannot be read; Validate
// refuses requests that have such.
func (m *Message) Routes() iter.Seq2[int, Route] {
	return func(yield func(int, Route) bool) {
		index := 0
		for i := range m.Fields {
			field := &m.Fields[i]
			if field.ID != HeaderRoute {
				continue
			}
			rest := field.Value
			for before := rest.Start; ; {
				element, err := ParseNameAddr(m.Raw, rest)
				if err != nil {
					return
				}
				route := Route{element, Span{rest.Start, element.Next}}
				if element.Next == 0 {
					route.Cut = Span{before, element.Element.End}
					if rest == field.Value {
						route.Cut = field.Line
					}
				}
				if !yield(index, route) {
					return
				}
				index++
				if element.Next == 0 {
					break
				}
				before, rest.Start = element.Element.End, element.Next
			}
		}
	}
}

// CutRoutes appends the edits that remove the first n Route elements: whole
// lines where nothing is left of a field.
func (m *Message) CutRoutes(edits []Edit, n int) []Edit {
	for i := 0; i < len(m.Fields) && n > 0; i++ {
		if m.Fields[i].ID != HeaderRoute {
			continue
		}
		rest := m.Fields[i].Value
		for {
			element, err := ParseNameAddr(m.Raw, rest)
			if err != nil {
				return edits
			}
			if n--; element.Next == 0 {
				edits = append(edits, Edit{At: m.Fields[i].Line})
				break
			}
			if rest.Start = element.Next; n == 0 {
				edits = append(edits, Edit{At: Span{m.Fields[i].Value.Start, rest.Start}})
				break
			}
		}
	}
	return edits
}
