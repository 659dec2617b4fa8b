package access

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// right is the password of the tests, and stored the same as it is stored.
const (
	right  = "Sommer-Wind7"
	stored = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$QyFZHgqXpHRqAxHBe9aNZissqjEHd1tEp5oaKKLBL3A"
)

const (
	annasKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
	otherKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUgmEaAXxRUFkZbZ1EmWhlg6KVgYsxmjyO4ZgQEjvrg"
)

// admin are the lines of a user who may do all.
const admin = "username admin create\nusername admin password " + stored + "\nusername admin group pfs-privusers\n"

func grammar(t testing.TB) *config.Grammar {
	t.Helper()
	g, err := config.New(Commands(begins))
	if err != nil {
		t.Fatal(err)
	}
	return g.Hashing(config.NewHasher())
}

// begins knows the words of a box with few commands.
func begins(kind, words string) bool {
	return words == "" || kind == model.RuleExec && regexp.MustCompile(`^(ping|show( billing| w\d+)?)$`).MatchString(words)
}

// TestSeeds: the lines that the source documents print are understood as they
// stand there, and their passwords refused (L-49, L-50, L-51).
func TestSeeds(t *testing.T) {
	g := grammar(t)
	for _, seed := range []struct{ create, password, group, rule string }{
		{"Username cisco create", "username cisco password cisco", "username cisco group pfs-privusers", "a password has at least 8 characters"},
		{"username sftpuser create", "username sftpuser password Test@123", "username sftpuser group pfs-privusers", "everybody tries first"},
	} {
		_, err := g.Parse(strings.Join([]string{seed.create, seed.password, seed.group}, "\n"))
		var faults config.Errors
		if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Line != 2 || !strings.Contains(faults[0].Rule, seed.rule) {
			t.Errorf("Parse of %+v = %v; want its password refused", seed, err)
		}
		word := seed.password[strings.LastIndex(seed.password, " ")+1:]
		if err != nil && strings.Contains(strings.ReplaceAll(err.Error(), "username "+word, ""), word) {
			t.Errorf("Parse of %+v = %v; want the password left out", seed, err)
		}
	}
}

// TestLines: what a line does after others, in canonical form.
func TestLines(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"created twice", admin + "username admin create\n", admin},
		{"removed", admin + "username x create\nno username x\n", admin},
		{"removed, in full", admin + "username x create\nno username x create\n", admin},
		{"by the alphabet", "username x create\n" + admin, strings.Replace(admin, "create\n", "create\nusername x create\n", 1)},
		{"without a password, with a key", admin + "username x create\nusername x key " + annasKey + "  anna's  own \n",
			strings.Replace(admin, "create\n", "create\nusername x create\n", 1) + "username x key " + annasKey + " anna's  own\n"},
		{"a key with another comment", admin + "username admin key " + annasKey + " old\nusername admin key " + annasKey + "\n",
			admin + "username admin key " + annasKey + "\n"},
		{"a key less", admin + "username admin key " + annasKey + " x\nusername admin key " + otherKey + "\nno username admin key " + annasKey + "\n",
			admin + "username admin key " + otherKey + "\n"},
		{"no password", admin + "username x create\nusername x password " + stored + "\nno username x password\nno username x\n", admin},
		{"a group", "group ops permit exec  show   billing\n" + "group ops deny conf\ngroup ops permit exec ping\n",
			"group ops permit exec ping\ngroup ops permit exec show billing\ngroup ops deny configure\n"},
		{"a rule turned round", "group ops permit exec show\ngroup ops deny exec show\n", "group ops deny exec show\n"},
		{"a rule less", "group ops permit exec show\ngroup ops permit exec\nno group ops permit exec show\n", "group ops permit exec\n"},
		{"files", "group ops files read\ngroup ops files write\n", "group ops files write\n"},
		{"no files any more", "group ops files write\ngroup ops permit exec show\nno group ops files\n", "group ops permit exec show\n"},
		{"a group that says nothing", "group ops files read\nno group ops files\n", ""},
		{"no group", "group ops files write\ngroup ops permit exec show\nno group ops\n", ""},
		{"member of a group", admin + "group ops files read\nusername admin group ops\n",
			"group ops files read\n" + strings.Replace(admin, "group pfs", "group ops\nusername admin group pfs", 1)},
		{"member no more", admin + "username admin group pfs-readonly\nno username admin group pfs-readonly\n", admin},
		{"time-out", "exec-timeout 5\n", "exec-timeout 5\n"},
		{"no time-out", "exec-timeout 0\n", "exec-timeout 0\n"},
		{"the time-out that there is anyway", "exec-timeout 0\nexec-timeout 10\n", ""},
		{"no other time-out", "exec-timeout 0\nno exec-timeout 0\n", ""},
		{"SSH off and on", "ip ssh off\nip ssh on\n", ""},
		{"SSH off", "ip ssh off\n", "ip ssh off\n"},
		{"SSH on both", "ip ssh lan lan2 LAN1\n", "ip ssh lan LAN1 LAN2\n"},
		{"SSH on the other", "ip ssh lan LAN2\n", "ip ssh lan LAN2\n"},
		{"SSH where it is anyway", "ip ssh lan LAN2\nip ssh lan LAN1\nip ssh port 22\n", ""},
		{"SSH at another port", "ip ssh port 2222\n", "ip ssh port 2222\n"},
		{"pages on and off", "ip http secure-server\nno ip http secure-server\n", ""},
		{"pages on", "ip http secure-server\n", "ip http secure-server\n"},
		{"pages on both", "ip http lan lan2 LAN1\nip http secure-port 8443\n", "ip http lan LAN1 LAN2\nip http secure-port 8443\n"},
		{"pages where they are anyway", "ip http lan LAN1\nip http secure-port 443\n", ""},
		{"pages as they were", "ip http secure-port 8443\nip http lan LAN2\nno ip http secure-port\nno ip http lan\n", ""},
		{"SSH as it was", "ip ssh port 2222\nip ssh lan LAN2\nno ip ssh port 2222\nno ip ssh lan\n", ""},
	} {
		g := grammar(t)
		c, err := g.Parse(test.text)
		if err != nil {
			t.Errorf("%s: Parse(%q) = %v; want no error", test.name, test.text, err)
			continue
		}
		if got := strings.ReplaceAll(g.Render(c), "!\n", ""); got != test.want {
			t.Errorf("%s: %q is rendered as\n%swant\n%s", test.name, test.text, got, test.want)
		}
	}
}

func TestLinesRefused(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(&weak.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	many := func(line string, n int) string {
		var text strings.Builder
		for i := range n {
			fmt.Fprintf(&text, line+"\n", i)
		}
		return text.String()
	}
	for _, test := range []struct{ text, want string }{
		{"username COMAdmin create", "COMAdmin is built in"},
		{"username comadmin password Sommer-Wind7", "COMAdmin is built in"},
		{"no username COMAdmin", "COMAdmin is built in"},
		{"username 7of9 create", "7of9 does not begin with a letter"},
		{"username bob password Sommer-Wind7", "there is no user bob: username bob create makes one"},
		{"username bob group pfs-privusers", "there is no user bob"},
		{"username bob key " + annasKey, "there is no user bob"},
		{"no username bob", "there is no user bob"},
		{"username bob create", "there must be a user in group pfs-privusers"},
		{admin + "no username admin password", "there must be a user in group pfs-privusers"},
		{admin + "username admin key " + annasKey + "\nno username admin password", "there must be a user in group pfs-privusers with a password"},
		{admin + "no username admin group pfs-privusers", "there must be a user in group pfs-privusers"},
		{admin + "no username admin group ops", "admin is no member of ops"},
		{admin + "username admin group ops", "there is no group ops"},
		{admin + "username admin password admin-Sommer7", "the password has the name of the user in it"},
		{admin + "username admin key ssh-rsa " + annasKey[12:], "this is not a public key of type ssh-rsa"},
		{admin + "username admin key " + annasKey[:61], "this is not the base64 of a key"},
		{admin + "username admin key " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))), "at least 3072 bits, this one has 2048"},
		{admin + "username admin key " + annasKey + " " + strings.Repeat("c", 101), "more than 100 octets"},
		{admin + "no username admin key " + annasKey, "admin has no such key"},
		{"group pfs-privusers deny exec", "group pfs-privusers is built in"},
		{"group pfs-readonly files write", "group pfs-readonly is built in"},
		{"group ops permit exec SHOW", "keywords are in small letters, and values are left out"},
		{"group ops deny exec show bill", `no command of exec begins with "show bill"`},
		{"group ops deny configure show billing", `no command of configure begins with "show billing"`},
		{"no group ops deny exec", "group ops has no such rule"},
		{"group ops permit exec show\nno group ops deny exec show", "group ops has no such rule"},
		{"no aaa login radius 192.0.2.1", "192.0.2.1 is not a RADIUS server"},
		{"ip ssh port 53", "the box's own DNS"},
		{admin + many("username u%d create", usersMax), "no more than 64 users"},
		{many("group g%d files read", groupsMax+1), "no more than 32 groups"},
		{many("group g permit exec show w%d", rulesMax+1), "no more than 64 rules"},
		{many("aaa login radius 192.0.2.%d key sealed:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", serversMax+1), "no more than 4 RADIUS servers"},
	} {
		if _, err := grammar(t).Parse(test.text); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Parse(%.200q) = %v; want %s", test.text, err, test.want)
		}
	}
}

// TestLastUserStays: a commit does not leave a box that nobody can log in to;
// other users come and go.
func TestLastUserStays(t *testing.T) {
	g := grammar(t)
	parse := func(text string) *model.Config {
		c, err := g.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	two := parse(admin + "username bob create\n")
	for _, test := range []struct {
		before, after *model.Config
		locked        bool
	}{
		{parse(""), parse(admin), false},
		{two, parse(admin), false},
		{parse(admin), parse(strings.ReplaceAll(admin, "username admin", "username eve")), false},
		{parse(admin), parse(""), true},
		{two, parse(""), true},
	} {
		if faults := g.Locked(test.before, test.after); (len(faults) > 0) != test.locked {
			t.Errorf("Locked from\n%sto\n%s= %v; want %t", g.Render(test.before), g.Render(test.after), faults, test.locked)
		}
	}
}
