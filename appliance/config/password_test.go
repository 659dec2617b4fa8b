package config

import (
	"context"
	"errors"
	"strings"
	"testing"

	"causeway/appliance/model"
)

// withPassword is a grammar with a password that must not be the user's name.
// It keeps the stored form in the model's host name.
func withPassword(t testing.TB) *Grammar {
	differs := func(a Args, password string) error {
		if password == a.Text("USER") {
			return errors.New("the password is the name of the user")
		}
		return nil
	}
	g, err := New([]Command{{
		Mode: Global, Syntax: "username USER password PASSWORD", Help: "Set a password",
		Args:  []Argument{argument("USER", Name{}), argument("PASSWORD", Password{differs})},
		Apply: func(c *model.Config, a Args) error { c.HostName = a.Text("PASSWORD"); return nil },
		Render: func(c *model.Config, _ Args) []Args {
			if c.HostName == "" {
				return nil
			}
			return []Args{{"USER": "a", "PASSWORD": c.HostName}}
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestPasswordIsStoredHashed(t *testing.T) {
	h := NewHasher()
	g := withPassword(t).Hashing(h)
	stored := make(map[string]bool)
	for range 2 {
		c, err := g.Parse("username a password grüßGott7")
		if err != nil {
			t.Fatal(err)
		}
		stored[c.HostName] = true
		text := g.Render(c)
		if strings.Contains(text, "Gott") || !strings.HasPrefix(c.HostName, "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Errorf("Render = %q; want a hash", text)
		}
		for password, want := range map[string]bool{"grüßGott7": true, "grüßGott8": false, "": false} {
			if got, err := h.Verify(t.Context(), c.HostName, password); got != want || err != nil {
				t.Errorf("Verify(%s, %q) = %t, %v; want %t", c.HostName, password, got, err, want)
			}
		}
		again, err := withPassword(t).Parse(text)
		if err != nil || again.HostName != c.HostName {
			t.Errorf("Parse(%q) = %v, %v; want what was rendered", text, again, err)
		}
	}
	if len(stored) != 2 {
		t.Errorf("the same password twice has the stored forms %v; want two, by their salts", stored)
	}
}

// hashOfPHC is from the reference implementation of argon2:
// printf password | argon2 0123456789abcdef -id -k 19456 -t 2 -p 1 -l 32
const hashOfPHC = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$0qsHs573+LgGInzYb7sRqlOTBmqY4X6srNEm6ybpJ20"

func TestVerify(t *testing.T) {
	h := NewHasher()
	if right, err := h.Verify(t.Context(), hashOfPHC, "password"); !right || err != nil {
		t.Errorf("Verify(%s, password) = %t, %v; want true", hashOfPHC, right, err)
	}
	if right, err := h.Verify(t.Context(), "", ""); right || err != nil {
		t.Errorf("Verify of no password = %t, %v; want false", right, err)
	}
	if _, err := h.Verify(t.Context(), "plain", "plain"); err == nil {
		t.Error("Verify with a damaged stored form = no error; want one")
	}
	h.turn <- struct{}{} // another one takes long
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the caller left"))
	if _, err := h.Verify(ctx, "", "x"); err == nil || err.Error() != "the caller left" {
		t.Errorf("Verify while another one runs = %v; want that the caller left", err)
	}
}

func TestPasswordRefused(t *testing.T) {
	whole := hash{}.String()
	withHasher := withPassword(t).Hashing(NewHasher())
	for _, test := range []struct {
		name string
		g    *Grammar
		line string
		want string // the error
	}{
		{"plain text without a hasher", withPassword(t), "username a password Test@123",
			`"username a password ********": a password in plain text can be typed on the appliance only`},
		{"against the policy", withHasher, "username anna password anna", `"username anna password ****": the password is the name of the user`},
		{"too long", withHasher, "username a password " + strings.Repeat("k", 129),
			strings.Repeat("*", 129) + `": a password has up to 128 octets, this one has 129`},
		{"with blanks", withHasher, "username a password my pass  word", `"username a password ** ****  ****": nothing is expected here: there is no blank`},
		{"cut", withHasher, "username a password " + whole[:len(whole)-1], "what follows $argon2id$ is damaged"},
		{"other figures", withHasher, "username a password " + strings.Replace(whole, "m=19456", "m=4194304", 1), "is damaged, or of another firmware"},
		{"not base64", withHasher, "username a password " + strings.Replace(whole, "$AAA", "$AA!", 1), "what follows $argon2id$ is damaged"},
		{"padding bits", withHasher, "username a password " + whole[:len(whole)-1] + "B", "what follows $argon2id$ is damaged"},
	} {
		_, err := test.g.Parse(test.line)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Parse(%q) = %v; want an error with %s", test.name, test.line, err, test.want)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add(hash{}.String())
	f.Add(hashOfPHC)
	f.Add(hashMark)
	f.Add(hashPrefix + strings.Repeat("A", 22) + "$" + strings.Repeat("A", 42) + "\n")
	f.Fuzz(func(t *testing.T, stored string) {
		h, err := parseHash(stored)
		if err == nil && h.String() != stored {
			t.Fatalf("parseHash(%q) = %v; want what it stands for", stored, h)
		}
		if err != nil && (h != hash{}) {
			t.Fatalf("parseHash(%q) = %v, %v; want nothing with an error", stored, h, err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	h := NewHasher()
	stored := h.Hash("a password")
	b.ReportAllocs()
	for b.Loop() {
		if right, err := h.Verify(b.Context(), stored, "a password"); !right || err != nil {
			b.Fatal(right, err)
		}
	}
}

// TestAlone: what takes much memory, too, waits for its turn.
func TestAlone(t *testing.T) {
	h := NewHasher()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.Alone(func() {
		if _, err := h.Verify(ctx, "", "x"); !errors.Is(err, context.Canceled) {
			t.Errorf("Verify meanwhile = %v; want that it waits", err)
		}
	})
	if right, err := h.Verify(t.Context(), h.Hash("x"), "x"); err != nil || !right {
		t.Errorf("Verify afterwards = %v, %v; want it right", right, err)
	}
}
