package config

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

func boxKey(t testing.TB) *BoxKey {
	key, err := NewBoxKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// keyed is a grammar with a secret beside other values. It keeps name and
// stored form of each in the model's list of time servers.
func keyed(t testing.TB) *Grammar {
	g, err := New([]Command{{
		Mode: Global, Syntax: "server NAME key KEY [PORT]", Help: "Add a server",
		Args: []Argument{
			argument("NAME", Name{}), argument("KEY", Secret{}),
			{Name: "PORT", Type: Port, Help: "Port", Default: 1813},
		},
		Apply: func(c *model.Config, a Args) error {
			if a.Text("NAME") == "bad" {
				return BadArgument("PORT", "bad has no port %d", a.Int("PORT"))
			}
			c.TimeServers = append(c.TimeServers, a.Text("NAME")+" "+a.Text("KEY"))
			return nil
		},
		Check: func(c *model.Config, a Args) error {
			if len(c.TimeServers) > 4 {
				return BadArgument("NAME", "there can be 4 servers")
			}
			return nil
		},
		Render: func(c *model.Config, _ Args) []Args {
			var lines []Args
			for _, s := range c.TimeServers {
				name, key, _ := strings.Cut(s, " ")
				lines = append(lines, Args{"NAME": name, "KEY": key})
			}
			return lines
		},
	}})
	if err != nil {
		t.Fatalf("New = %v; want no error", err)
	}
	return g
}

func TestSecretIsStoredSealed(t *testing.T) {
	key := boxKey(t)
	g := keyed(t).Sealing(key)
	c, err := g.Parse("server a key pässwörd\n")
	if err != nil {
		t.Fatal(err)
	}
	text := g.Render(c)
	stored := strings.TrimSuffix(strings.TrimPrefix(text, "server a key "), "\n")
	if strings.Contains(text, "pässwörd") || !strings.HasPrefix(stored, "sealed:") {
		t.Fatalf("Render = %q; want a sealed key", text)
	}
	if secret, err := key.Open(stored); err != nil || secret != "pässwörd" {
		t.Errorf("Open(%s) = %q, %v; want the password", stored, secret, err)
	}
	for _, reader := range []*Grammar{g, keyed(t)} {
		if again, err := reader.Parse(text); err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("Parse(%q) = %v, %v; want %v", text, again, err, c)
		}
	}
}

func TestSecretRefused(t *testing.T) {
	withoutKey, withKey := keyed(t), keyed(t).Sealing(boxKey(t))
	for _, test := range []struct {
		name string
		g    *Grammar
		line string
		want string // the error
	}{
		{"plain text without a key", withoutKey, "server a key cisco", `"server a key *****": a secret in plain text can be typed on the appliance only, which seals it`},
		{"too long", withKey, "server a key " + strings.Repeat("k", 129), "a secret has 1 to 128 octets, this one has 129"},
		{"damaged", withKey, "server a key sealed:AAAA", "what follows sealed: is damaged"},
		{"not base64", withKey, "server a key sealed:!", "what follows sealed: is damaged"},
		{"too long is not shown", withKey, "server a key " + strings.Repeat("k", 129), "server a key " + strings.Repeat("*", 129)},
		{"a word too many", withKey, "server a key pässwörd 7 x", `"server a key ******** 7 x": nothing is expected here, not x`},
		{"a value out of range", withoutKey, "server a key cisco 0", `"server a key ***** 0": 0 is not between 1 and 65535`},
		{"a character that cannot be printed", withKey, "server a key cis\aco", `"server a key ******": a char`},
		{"sealed is shown", withKey, "server a key " + boxKey(t).Seal("x") + " x", `"server a key sealed:`},
		{"refused for another reason", withKey, "server bad key cisco 7", `"server bad key ***** 7": bad has no port 7`},
	} {
		_, err := test.g.Parse(test.line)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Parse(%q) = %v; want an error with %s", test.name, test.line, err, test.want)
		}
	}
}

// A secret may have to be longer; one that is sealed is taken as it is.
func TestSecretMin(t *testing.T) {
	for word, want := range map[string]string{
		"eleven-long":           "a secret has 12 to 128 octets, this one has 11",
		"twelve--long":          "",
		boxKey(t).Seal("short"): "",
	} {
		if _, err := (Secret{Min: 12}).Parse(word); (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("Parse(%s) = %v; want %q", word, err, want)
		}
	}
}

func TestSecretIsNotInErrorsOfChecks(t *testing.T) {
	g := keyed(t).Sealing(boxKey(t))
	_, err := g.Parse(strings.Repeat("server a key hunter2\n", 5))
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "key *******") {
		t.Errorf("Parse = %v; want the key blotted out", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	key := boxKey(t)
	other, err := NewBoxKey(bytes.Repeat([]byte{8}, 32))
	if err != nil {
		t.Fatal(err)
	}
	stored := key.Seal("secret")
	changed := stored[:20] + "A" + stored[21:]
	if changed == stored {
		changed = stored[:20] + "B" + stored[21:]
	}
	for name, opened := range map[string]struct {
		key    *BoxKey
		stored string
	}{"another key": {other, stored}, "changed": {key, changed}, "cut": {key, stored[:20]}, "plain": {key, "secret"}} {
		if got, err := opened.key.Open(opened.stored); err == nil {
			t.Errorf("%s: Open = %q; want an error", name, got)
		}
	}
	if _, err := NewBoxKey(nil); err == nil {
		t.Error("NewBoxKey(nil) = nil error; want one")
	}
}

func TestSecretsRoundTrip(t *testing.T) {
	key := boxKey(t)
	g := keyed(t)
	rapid.Check(t, func(t *rapid.T) {
		want := &model.Config{}
		secrets := rapid.SliceOfN(rapid.StringMatching(`[!-~äß]{1,60}`), 0, 4).Draw(t, "secrets")
		for _, secret := range secrets {
			name := rapid.StringMatching(`[a-z0-9._-]{1,32}`).Filter(func(s string) bool { return s != "bad" }).Draw(t, "name")
			want.TimeServers = append(want.TimeServers, name+" "+key.Seal(secret))
		}
		text := g.Render(want)
		got, err := g.Parse(text)
		if err != nil || strings.Join(got.TimeServers, "\n") != strings.Join(want.TimeServers, "\n") {
			t.Fatalf("Parse(%q) = %v, %v; want %v", text, got, err, want)
		}
		for i, secret := range secrets {
			_, stored, _ := strings.Cut(got.TimeServers[i], " ")
			if opened, err := key.Open(stored); err != nil || opened != secret {
				t.Fatalf("Open(%s) = %q, %v; want %q", stored, opened, err, secret)
			}
		}
	})
}

// TestDerive: other keys of the box are its own, one for each purpose.
func TestDerive(t *testing.T) {
	key, err := NewBoxKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	one := key.Derive("one")
	if len(one) != 32 || !bytes.Equal(one, key.Derive("one")) || bytes.Equal(one, key.Derive("two")) {
		t.Errorf("Derive = %x, then %x; for another purpose %x", one, key.Derive("one"), key.Derive("two"))
	}
	if got := (*BoxKey)(nil).Derive("one"); got != nil {
		t.Errorf("Derive without a key = %x; want none", got)
	}
}

// TestRedact: what is left of a text has no secret in any form, and all the rest.
func TestRedact(t *testing.T) {
	text := "hostname sealed\nusername a password " + hashOfPHC + "\naaa login radius 192.0.2.7 key sealed:AAAA-_ \n!? x key sealed:BBBB\n"
	const want = "hostname sealed\nusername a password ********\naaa login radius 192.0.2.7 key ******** \n!? x key ********\n"
	if got := Redact(text); got != want {
		t.Errorf("Redact(%q) = %q; want %q", text, got, want)
	}
}
