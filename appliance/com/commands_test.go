package com

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

const (
	ed25519Key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
	ecdsaKey   = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBDp262Huguj95gcltPyHVP2vRNJmdYkNR8wk6yGAz8q0W7R1o1jfJ9Om7QkEpUSFcNOej0UIJ6wcLeMI3yYOHaU="
)

// TestCommands types lines and looks at what they make and how it is printed.
func TestCommands(t *testing.T) {
	g, err := config.New(Commands())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		typed, printed string
		want           model.COM
	}{
		{"", "", model.COM{}},
		{
			"com server com.example.com\ncom customer-id AB-12/3\n", "com customer-id AB-12/3\n!\ncom server com.example.com\n",
			model.COM{CustomerID: "AB-12/3", Server: "com.example.com"},
		},
		{"com customer-id A\nno com customer-id\n", "", model.COM{}},
		{"com shutdown\n", "com shutdown\n", model.COM{Off: true}},
		{"com shutdown\nno com shutdown\n", "", model.COM{}},
		{"com role secondary\n", "com role secondary\n", model.COM{Secondary: true}},
		{"com role secondary\ncom role primary\n", "", model.COM{}},
		{
			"com proxy port 3128\ncom proxy address proxy.example.com\n", "com proxy address proxy.example.com\n!\ncom proxy port 3128\n",
			model.COM{ProxyHost: "proxy.example.com", ProxyPort: 3128},
		},
		{"com proxy port 8080\n", "", model.COM{}},
		{"com heartbeat 10\n", "com heartbeat 10\n", model.COM{HeartbeatSeconds: 10}},
		{"com tls max 1.3\n", "com tls max 1.3\n", model.COM{TLS13: true}},
		{"com tls max 1.3\nno com tls max\n", "", model.COM{}},
		{"com grace-end calls\n", "com grace-end calls\n", model.COM{GraceEnd: model.GraceEndsCalls}},
		{"com grace-end calls\ncom grace-end features\n", "", model.COM{}},
		{"com group pfs-readonly\n", "com group pfs-readonly\n", model.COM{Group: model.GroupReadOnly}},
		{"com group pfs-privusers\n", "", model.COM{}},
		{
			"com service tunnel-web\ncom service cli\ncom service cli\n", "com service cli\ncom service tunnel-web\n",
			model.COM{Services: []string{model.COMCLI, model.COMTunnelWeb}},
		},
		{"com service cli\nno com service cli\nno com service files\n", "", model.COM{}},
		{
			"com trust operator bert " + ecdsaKey + "\ncom trust operator anna " + ed25519Key + "\n",
			"com trust operator anna " + ed25519Key + "\ncom trust operator bert " + ecdsaKey + "\n",
			model.COM{Operators: []model.COMOperator{{Name: "anna", Key: ed25519Key}, {Name: "bert", Key: ecdsaKey}}},
		},
		{
			"com trust operator anna " + ed25519Key + "\ncom trust operator anna " + ecdsaKey + "\n", "com trust operator anna " + ecdsaKey + "\n",
			model.COM{Operators: []model.COMOperator{{Name: "anna", Key: ecdsaKey}}},
		},
		{"com trust operator anna " + ed25519Key + "\nno com trust operator anna\n", "", model.COM{}},
	} {
		c, err := g.Parse(test.typed)
		if err != nil {
			t.Errorf("Parse(%q) = %v; want no error", test.typed, err)
			continue
		}
		got := g.Render(c)
		if diff := cmp.Diff(test.want, c.COM, cmpopts.EquateEmpty()); diff != "" || got != test.printed {
			t.Errorf("Parse(%q) is printed as %q; want %q (-want +got):\n%s", test.typed, got, test.printed, diff)
		}
	}
}

func TestRefusedCommands(t *testing.T) {
	g, err := config.New(Commands())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ typed, rule string }{
		{"com customer-id " + strings.Repeat("i", 65) + "\n", "64 printable characters"},
		{"com customer-id naïve\n", "64 printable characters"},
		{"com server https://com.example.com\n", "neither an IP address nor a host name"},
		{"com heartbeat 9\n", "not between 10 and 300"},
		{"com heartbeat 301\n", "not between 10 and 300"},
		{"com tls max 1.1\n", "not one of"},
		{"com service shell\n", "not one of"},
		{"com group nobody\n", "there is no group nobody"},
		{"com trust operator anna ssh-rsa AAAA\n", "not one of"},
		{"com trust operator anna ssh-ed25519 A\n", "not the base64"},
		{"com trust operator anna ssh-ed25519 " + strings.Fields(ecdsaKey)[1] + "\n", "not a public key of type ssh-ed25519"},
		{"no com trust operator anna\n", "there is no operator anna"},
		{"com trust operator anna " + ed25519Key + "\nno com trust operator anna " + ecdsaKey + "\n", "anna has another key"},
	} {
		_, err := g.Parse(test.typed)
		var fault *config.Error
		if !errors.As(err, &fault) || !strings.Contains(fault.Rule, test.rule) {
			t.Errorf("Parse(%q) = %v; want %q", test.typed, err, test.rule)
		}
	}
}
