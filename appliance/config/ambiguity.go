package config

import "fmt"

// ambiguity looks for a line that would mean two things, beginning at states.
func (v *Vocabulary) ambiguity(states []state) error {
	var ended, valued []state
	byKeyword := make(map[string][]state)
	for _, s := range states {
		it := v.item(s)
		switch {
		case it == nil:
			ended = append(ended, s)
		case s.trail != nil && s.trail.item == it: // a repetition leads where the first one led
		case it.arg == nil:
			byKeyword[it.keyword] = append(byKeyword[it.keyword], s.after(it, nil, 0))
		default:
			valued = append(valued, s.after(it, nil, 0))
		}
	}
	if len(ended) > 1 {
		return fmt.Errorf("%q and %q can be the same line", v.forms[ended[0].form].syntax, v.forms[ended[1].form].syntax)
	}
	for _, s := range valued {
		first, this := valued[0].trail.item.arg.Type, s.trail.item.arg.Type
		if this.String() != first.String() {
			return fmt.Errorf("%q and %q have %v and %v in the same place",
				v.forms[valued[0].form].syntax, v.forms[s.form].syntax, first, this)
		}
		for keyword, others := range byKeyword {
			if _, err := this.Parse(keyword); err == nil {
				return fmt.Errorf("%q takes the keyword %s of %q for a value",
					v.forms[s.form].syntax, keyword, v.forms[others[0].form].syntax)
			}
		}
	}
	if len(valued) > 0 {
		if err := v.ambiguity(v.closure(valued)); err != nil {
			return err
		}
	}
	for _, next := range byKeyword {
		if err := v.ambiguity(v.closure(next)); err != nil {
			return err
		}
	}
	return nil
}
