package access

import (
	"strings"
	"testing"
)

func TestPasswordPolicy(t *testing.T) {
	for _, test := range []struct {
		user, password string
		want           string // the rule that is broken; empty: none
	}{
		{"anna", "Sommer-Wind7", ""},
		{"anna", "sommer-wind7", ""},              // small letters, digits, others
		{"anna", "correcthorsebatterystaple", ""}, // long
		{"anna", "übergänge-Öl", ""},
		{"jo", "Joghurt-77", ""}, // a name that is in too many words
		{"cisco", "cisco", "at least 8 characters"},
		{"cisco", "cisco123", "everybody tries"},
		{"sftpuser", "Test@123", "everybody tries"},
		{"anna", "T3st@123", "everybody tries"},
		{"anna", "P@ssw0rd1!", "everybody tries"},
		{"anna", "!!Welc0me2024", "everybody tries"},
		{"anna", "Changeme1", "everybody tries"},
		{"anna", "äöüäöü7", "at least 8 characters"},
		{"anna", "Sommerwind", "three of these four"},
		{"anna", "12345678", "three of these four"},
		{"anna", "sommerwind1234", "three of these four"},
		{"anna", "Anna-Sommer7", "name of the user"},
		{"anna", "4nn4-Sommer7", "name of the user"},
		{"admin", "Nimda-Sommer7", "name of the user"},
		{"S.Ommer", "xs.0mmerX7", "name of the user"},
		{"anna", "Sommmmer-7", "3 times in a row"},
		{"anna", "aaaaaaaaaaaaaaaaaaaaaaaa", "3 times in a row"},
	} {
		err := checkPassword(test.user, test.password)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("checkPassword(%s, %s) = %v; want %q", test.user, test.password, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), test.password) {
			t.Errorf("checkPassword(%s, %s) = %v; want the password left out", test.user, test.password, err)
		}
	}
}
