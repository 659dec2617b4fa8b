package grammar_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"causeway/appliance/config"
	"causeway/appliance/grammar"
	"causeway/appliance/grammar/drawn"
)

// samples are, for types that other packages than config declare, a word they
// take and words they must refuse, by what the type calls itself.
var samples = map[string]struct {
	good string
	bad  []string
}{
	"{LAN1|LAN2}[.VLAN]|A.B.C.D|X:X::X": {"192.168.42.1", []string{"LAN3", "192.168.42.256", "host"}},
	"DOMAIN|A.B.C.D|X:X::X":             {"_sip._udp.example.com", []string{"a/b", strings.Repeat("n", 254), "naïve"}},
	"[HHH:]MM":                          {"1:30", []string{"0", "44641", "1:60", "-1", "soon"}},
	"VOLUME:PATH":                       {"usb0:/logs/a", []string{"usb1:/a", "bootflash", "usb0:/../a", "/etc/passwd"}},
	"ZONE":                              {"Europe/Berlin", []string{"Europe/München", strings.Repeat("z", 33), "a:b"}},
	"HH:MM:SS":                          {"23:59:59", []string{"24:00:00", "12:60:00", "9:30:00", "12:00", "noon"}},
	"HH:MM":                             {"23:59", []string{"24:00", "12:60", "-1:00", "noon"}},
	"YYYYMMDDTHHMMSS[Z]":                {"20260131T235959", []string{"20260132T000000", "20260131T240000", "2026-01-31", "soon"}},
	"<0.0-1.0>":                         {"0.9", []string{"1.1", "-0.1", "0.1234", ".5", "one"}},
	"HOST":                              {"ntp.example.com", []string{strings.Repeat("h", 64), "192.168.42.300", "a..b", "host-"}},
	"HOST[:PORT]":                       {"gw.example.com:5070", []string{"gw:0", "gw:65536", "a_b:5060", "[2001:db8::1", "a/b"}},
	"ADDRESS[/LENGTH]":                  {"192.0.2.0/24", []string{"192.0.2.1/24", "192.0.2.0/33", "fe80::1%lan1", "host"}},
	"CODE[-CODE][,CODE...]":             {"500-503", []string{"299", "700", "5xx", "5000"}},
	"RANGES<1-12>":                      {"1,3-5", []string{"0", "13", "1-13", "1,,2", "jan"}},
	"RANGES<1-31>":                      {"1-31", []string{"0", "32", "01", "1-"}},
	"RANGES<sun-sat>":                   {"mon-fri", []string{"monday", "1", "mon,", "-"}},
	"REGEX":                             {"^00.*", []string{"(", "[a", "a**b(", strings.Repeat("r", 257)}},
	"harddisk:NAME.pcap":                {"harddisk:call.pcap", []string{"harddisk:call", "usb0:call.pcap", "harddisk:other/call.pcap", "call.pcap"}},
	"HH[:MM]":                           {"7:05", []string{"24", "22:60", "-1", "1:2:3", "007", "+7", "22:", "noon"}},
	"MM":                                {"05", []string{"60", "-1", "005", "half"}},
	"X:X::X":                            {"2001:db8::1", []string{"192.0.2.1", "::ffff:192.0.2.1", "fe80::1%lan1", "host"}},
	"VOLUME:[DIRECTORY/]":               {"usb0:/cache/", []string{"usb0:/cache", "usb1:/", "usb0:/../a/", "/etc/"}},
	"VOLUME:PATH|URL":                   {"sftp://a@192.0.2.1/b/", []string{"usb1:/a", "bootflash", "usb0:/../a", "sftp://192.0.2.1/", "http://192.0.2.1/a"}},
	"VOLUME:DIRECTORY":                  {"usb0:cdr", []string{"usb1:cdr", "harddisk:/../a", "cdr"}},
	"HEX":                               {"0123456789ab", []string{"1234567", strings.Repeat("a", 65), "0123456g"}},
	"<5-10000,5>":                       {"250", []string{"0", "4", "7", "10005", "-5", "five"}},
	"URL":                               {"https://lic.example.com:8443/a", []string{"http://lic.example.com", "https://", "https://a:b@c", "https://c?d", "https://c#", "https://c:0", "https://c:x", "https://a_b", "lic.example.com", "https://c/" + strings.Repeat("u", 256)}},
	"EMAIL":                             {"noc@example.com", []string{"noc", "@example.com", "noc@", "a@b@c", "a@-b", "noc@192.0.2.300", "\"a\"@b", "noc@[192.0.2.1]", "<a@b>", "a..b@c", "é@example.com", strings.Repeat("a", 250) + "@b.de"}},
	"EMAIL[,EMAIL...]":                  {"a@example.com,b@example.com", []string{"a@b,", ",a@b", "a@b,,c@d", "a@b,a@b", "a@b;c@d", "a@b,c"}},
	"ID":                                {"AB-12/3@example.com", []string{strings.Repeat("i", 65), "naïve"}},
	"<15m-24h>":                         {"4h", []string{"14m", "25h", "4", "1h30m"}},
	"HEADER":                            {"P-Asserted-Identity", []string{"a:b", "naïve", strings.Repeat("h", 65)}},
}

// sample gives for a type a word it takes and words it must refuse: one below
// its range, one above it, and something that is no value at all. The rest of
// a line can be anything.
func sample(t *testing.T, typ config.Type) (good string, bad []string) {
	switch typ := typ.(type) {
	case config.Integer:
		return fmt.Sprint(typ.Min), []string{
			fmt.Sprint(typ.Min - 1), fmt.Sprint(typ.Max + 1), "99999999999999999999", "one", "1.5",
			fmt.Sprintf("0%d", typ.Max), fmt.Sprintf("+%d", typ.Max),
		}
	case config.IPv4:
		return "192.168.42.1", []string{"-1.168.42.1", "192.168.42.256", "10.1.2", "2001:db8::1", "host"}
	case config.Address:
		return "192.168.42.1", []string{"-1.168.42.1", "192.168.42.256", "2001:db8::1::2", "fe80::1%lan1", "host"}
	case config.LAN:
		return "LAN1.100", []string{"LAN3", "LAN1.0", "LAN2.4095", "LAN1.", "LAN1.01"}
	case config.Prefix6:
		return "2001:db8::1/64", []string{"192.168.42.1/24", "2001:db8::1", "2001:db8::1/129", "::ffff:192.0.2.1/96"}
	case config.Mask:
		return "255.255.255.0", []string{"255.0.255.0", "0.0.0.255", "255.255.255.256", "24", "mask"}
	case config.Choice:
		return typ[0], []string{"neither", typ[0] + "x"}
	case config.Name:
		return "lan1", []string{strings.Repeat("n", max(typ.Max, 32)+1), "a/b", "naïve"}
	case config.Word:
		return "0049", []string{strings.Repeat("w", typ.Max+1)}
	case config.Label:
		return "host", []string{strings.Repeat("h", 64), "-host", "a.b", "under_score"}
	case config.Line:
		return "any text", nil
	case config.Secret:
		return drawn.Sealed, nil // TestSecret of config: its errors do not repeat the word
	case config.Token:
		return "token", nil // TestToken of config: its errors do not repeat the word
	case config.Password:
		return drawn.StoredPassword, nil // likewise, TestPassword
	}
	s, ok := samples[typ.String()]
	if !ok {
		t.Fatalf("there is no sample for values of type %T (%v): add one", typ, typ)
	}
	return s.good, s.bad
}

// TestEveryArgumentRefusesWhatIsOutsideItsRange walks the declarations: each
// argument of each command of the configuration, with all the others right.
func TestEveryArgumentRefusesWhatIsOutsideItsRange(t *testing.T) {
	g := grammar.All()
	for _, command := range g.Commands() {
		path := opening(t, g, command.Mode)
		for _, form := range []config.Form{{Syntax: command.Syntax, Args: command.Args}, {Syntax: "no " + command.No, Args: command.Args}} {
			eachWrongLine(t, form, func(line, word string) {
				_, err := g.Parse(path + line)
				checkRefused(t, err, path, line, word)
			})
		}
	}
}

// TestEveryExecArgumentRefusesWhatIsOutsideItsRange does so in EXEC.
func TestEveryExecArgumentRefusesWhatIsOutsideItsRange(t *testing.T) {
	v, err := config.NewVocabulary(execForms())
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range execForms() {
		eachWrongLine(t, form, func(line, word string) {
			_, err := v.Match(line)
			checkRefused(t, err, "", line, word)
		})
	}
}

// eachWrongLine visits the lines of a form in which one word is wrong.
func eachWrongLine(t *testing.T, form config.Form, visit func(line, word string)) {
	for _, wrong := range form.Args {
		if !strings.Contains(" "+strings.NewReplacer("[", " ", "]", " ", "...", " ").Replace(form.Syntax)+" ", " "+wrong.Name+" ") {
			continue
		}
		_, bad := sample(t, wrong.Type)
		for _, word := range bad {
			visit(fill(t, form.Syntax, form.Args, wrong.Name, word), word)
		}
	}
}

// fill writes the line of a syntax with all optional parts. Where an argument
// stands twice the first one is wrong.
func fill(t *testing.T, syntax string, args []config.Argument, wrong, word string) string {
	var words []string
	for _, w := range strings.Fields(strings.NewReplacer("[", "", "]", "", "...", "").Replace(syntax)) {
		for _, arg := range args {
			if arg.Name == w {
				w, _ = sample(t, arg.Type)
				if arg.Name == wrong {
					w = word
				}
				break
			}
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

// opening gives the lines that lead from the beginning into the mode.
func opening(t *testing.T, g *config.Grammar, mode config.Mode) string {
	if mode == config.Global {
		return ""
	}
	for _, command := range g.Commands() {
		if command.Opens == mode {
			return opening(t, g, command.Mode) + fill(t, command.Syntax, command.Args, "", "") + "\n"
		}
	}
	t.Fatalf("no command opens mode %s", mode)
	return ""
}

func checkRefused(t *testing.T, err error, path, line, word string) {
	t.Helper()
	var fault *config.Error
	if !errors.As(err, &fault) {
		t.Errorf("%q: %v; want %s refused", path+line, err, word)
		return
	}
	if column := len([]rune(line[:strings.LastIndex(" "+line+" ", " "+word+" ")])) + 1; fault.Text != line || fault.Column != column ||
		!strings.Contains(fault.Rule, word) {
		t.Errorf("%q: %v at column %d; want a rule about %s at column %d", path+line, fault, fault.Column, word, column)
	}
}
