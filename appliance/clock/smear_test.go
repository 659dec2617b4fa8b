package clock

import "testing"

func TestNotMixed(t *testing.T) {
	tests := []struct{ first, second, want string }{
		{"time.google.com", "TIME2.google.com.", ""},
		{"time.google.com", "169.254.169.123", ""},
		{"ntp.example.com", "192.0.2.1", ""},
		{"time.facebook.com", "time5.facebook.com", ""},
		{"time.google.com", "ntp.example.com",
			"time.google.com smears a leap second from noon to noon and ntp.example.com does not smear leap seconds: their times differ by up to a second around a leap second (NET-13)"},
		{"192.0.2.1", "2001:4860:4806:8::",
			"192.0.2.1 does not smear leap seconds and 2001:4860:4806:8:: smears a leap second from noon to noon: their times differ by up to a second around a leap second (NET-13)"},
		{"time.aws.com", "time.facebook.com",
			"time.aws.com smears a leap second from noon to noon and time.facebook.com smears a leap second after it: their times differ by up to a second around a leap second (NET-13)"},
	}
	for _, test := range tests {
		got := ""
		if err := notMixed(test.first, test.second); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("notMixed(%s, %s) = %q; want %q", test.first, test.second, got, test.want)
		}
	}
	if smearOf(DefaultServer) == leaps {
		t.Errorf("%s counts as a server that does not smear", DefaultServer)
	}
}
