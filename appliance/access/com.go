package access

import (
	"fmt"

	"causeway/appliance/model"
)

// COMAdmin begins a session of the built-in account for somebody who is in over
// COM (COM-17). Package com/gate has checked who that is; origin says it. There
// is no other way to log in under this name.
func (a *Access) COMAdmin(origin string) (model.Login, error) {
	access, _ := a.current()
	groups := a.comGroups()
	if len(known(&access, groups)) == 0 {
		return model.Login{}, fmt.Errorf("the group %s of %s is not there", groups[0], model.COMAdmin)
	}
	return a.open(&access, model.COMAdmin, origin, proof{methodCOM, groups}), nil
}

// COMRights are what COMAdmin may do.
func (a *Access) COMRights() model.Rights {
	access, _ := a.current()
	return rights(known(&access, a.comGroups()))
}

// comGroups are the groups that COMAdmin is in.
func (a *Access) comGroups() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return []string{a.comGroup}
}

// Refuse writes down what was refused to somebody who is not logged in, or not
// here: its line and why. Many such entries are folded into one.
func (a *Access) Refuse(entry model.Audit, why string) {
	a.journal.add(Entry{Event: EventRefused, User: entry.Operator.User, Origin: entry.Operator.Origin, Line: entry.Line, Why: why})
}
