package callhome

import (
	"reflect"
	"strings"

	"causeway/appliance/config/change"
	"causeway/appliance/model"
)

// Reminders are what who logs in is reminded of (CH-33): that nobody has decided
// yet what Call Home is to do.
func Reminders(h model.CallHome) []string {
	if h.Does() != model.CallHomeNone {
		return nil
	}
	return []string{"Smart Call Home is not configured. To configure it or to end this reminder: configure, call-home, mode."}
}

// Remark is what an operator should know who puts a configuration in the place
// of another: on the first one of the box, and where he changes Call Home, what
// is missing before its first message.
func Remark(before change.InForce, after *model.Config) []string {
	missing := after.CallHome.Pending()
	if len(missing) == 0 || before.Number > 0 && reflect.DeepEqual(before.Config.CallHome, after.CallHome) {
		return nil
	}
	return []string{"Call Home sends nothing yet: " + strings.Join(missing, "; ")}
}
