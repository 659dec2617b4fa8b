package license

import (
	"errors"
	"strings"
	"testing"

	"causeway/appliance/exec/exectest"
)

func TestExecCommands(t *testing.T) {
	const operator = `{"operator":{"user":"console","origin":"ttyS0"}`
	done := Answer{"It is done"}
	s := exectest.Session{Answers: map[string]any{
		"control.license.register": done, "control.license.deregister": done, "control.license.renew": done, "control.license.save": done,
		"control.license.import": errors.New("usb0:/a: no such file or directory"),
	}}
	for _, test := range []struct {
		line    string
		refuses bool
		printed string
		called  string
	}{
		{"license smart register idtoken abc", false, "It is done\n", "register " + operator + `,"token":"abc","force":false}`},
		{"license smart register idtoken abc force", false, "It is done\n", "register " + operator + `,"token":"abc","force":true}`},
		{"license smart deregister", false, "The licences go back to the account. Calls go on only while there is evaluation period left.\nIt is done\n", "deregister " + operator + "}"},
		{"license smart deregister", true, "The licences go back to the account. Calls go on only while there is evaluation period left.\n% not confirmed\n", ""},
		{"license smart renew auth", false, "It is done\n", "renew " + operator + `,"id":false}`},
		{"license smart renew id", false, "It is done\n", "renew " + operator + `,"id":true}`},
		{"license smart save register idtoken abc usb0:a", false, "It is done\n", "save " + operator + `,"kind":"register","token":"abc","file":"usb0:/a"}`},
		{"license smart save authorization usb0:a", false, "It is done\n", "save " + operator + `,"kind":"authorize","token":"","file":"usb0:/a"}`},
		{"license smart save renewal usb0:a", false, "It is done\n", "save " + operator + `,"kind":"renew-id","token":"","file":"usb0:/a"}`},
		{"license smart save deregistration usb0:a", true, "With the answer to it the licences go back to the account.\n% not confirmed\n", ""},
		{
			"license smart save deregistration usb0:a", false, "With the answer to it the licences go back to the account.\nIt is done\n",
			"save " + operator + `,"kind":"deregister","token":"","file":"usb0:/a"}`,
		},
		{"license smart import usb0:a", false, "% control refused: usb0:/a: no such file or directory\n", "import " + operator + `,"file":"usb0:/a"}`},
	} {
		s.Refuses = test.refuses
		printed := s.Type(t.Context(), t, ExecCommands(), test.line)
		called := strings.ReplaceAll(strings.Join(s.Called(), "\n"), "control.license.", "")
		if printed != test.printed || called != test.called {
			t.Errorf("%s printed %q and called %q; want %q and %q", test.line, printed, called, test.printed, test.called)
		}
	}
}
