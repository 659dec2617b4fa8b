package grammar_test

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"causeway/appliance/config"
	"causeway/appliance/grammar"
)

// TestReveal: what one box reveals, another one with another key reads, and
// reveals again. No secret is lost on the way, and none is left as the first box
// has sealed it.
func TestReveal(t *testing.T) {
	newKey := func() *config.BoxKey {
		octets := make([]byte, 32)
		rand.Read(octets)
		key, err := config.NewBoxKey(octets)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	first, second, g := newKey(), newKey(), grammar.All()
	stored := regexp.MustCompile(`sealed:\S+`)
	secret := rapid.StringMatching(`[!-~]{12,40}`).Filter(func(s string) bool { return !strings.HasPrefix(s, "sealed:") })
	seen := 0
	rapid.Check(t, func(t *rapid.T) {
		var secrets []string
		text := stored.ReplaceAllStringFunc(g.Render(configs.Draw(t, "config")), func(string) string {
			secrets = append(secrets, secret.Draw(t, "secret"))
			return first.Seal(secrets[len(secrets)-1])
		})
		seen += len(secrets)
		sealed, err := g.Parse(text)
		if err != nil {
			t.Fatalf("Parse of\n%s = %v", text, err)
		}
		revealed, err := g.Reveal(sealed, []string{"aside"}, first)
		if err != nil {
			t.Fatalf("Reveal of\n%s = %v", text, err)
		}
		if strings.Contains(revealed, "sealed:") || !strings.HasSuffix(revealed, "!? aside\n") {
			t.Fatalf("Reveal of\n%s =\n%s\nwant no secret sealed, and what was kept aside", text, revealed)
		}
		for _, s := range secrets {
			if !strings.Contains(revealed, s) {
				t.Fatalf("Reveal of\n%s =\n%s\nwant %q in it", text, revealed, s)
			}
		}
		restored, err := g.Sealing(second).Parse(revealed)
		if err != nil {
			t.Fatalf("Parse of\n%s = %v", revealed, err)
		}
		if again, err := g.Reveal(restored, []string{"aside"}, second); err != nil || again != revealed {
			t.Fatalf("Reveal on another box = %v\n%s\nwant\n%s", err, again, revealed)
		}
		if _, err := g.Reveal(restored, nil, first); (err != nil) != (len(secrets) > 0) {
			t.Fatalf("Reveal under the key of another box = %v; want an error where there is a secret", err)
		}
	})
	if seen == 0 {
		t.Error("no configuration had a secret")
	}
}

// TestWithhold: a process is told what it reads of the secrets, and no password;
// the rest of the configuration it has as it is.
func TestWithhold(t *testing.T) {
	g := grammar.All()
	stored := regexp.MustCompile(`sealed:[\w-]+|[$]argon2id[$]\S+`)
	told := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		n := 0
		text := stored.ReplaceAllStringFunc(g.Render(configs.Draw(t, "config")), func(s string) string {
			n++
			return fmt.Sprintf("%s%04d%s", s[:len(s)-9], n, s[len(s)-5:]) // each another one
		})
		c, err := g.Parse(text)
		if err != nil {
			t.Fatalf("Parse of\n%s = %v", text, err)
		}
		blank := func(text string) string { return stored.ReplaceAllString(text, "*") }
		for process, opens := range map[string]string{"proxy": "^$", "billing": `^ +(key|cdr transfer) `} {
			got := g.Withhold(c, process)
			if _, err := g.Parse(got); err != nil || blank(got) != blank(text) {
				t.Fatalf("Withhold of\n%sfor %s =\n%s, %v; want other secrets and nothing else", text, process, got, err)
			}
			before := strings.Split(text, "\n")
			for i, line := range strings.Split(got, "\n") {
				if !stored.MatchString(line) {
					continue
				}
				if is := regexp.MustCompile(opens).MatchString(line); is != (line == before[i]) {
					t.Fatalf("%s gets %q of %q; opens it: %t", process, line, before[i], is)
				} else if is {
					told[process]++
				}
			}
		}
	})
	if told["billing"] == 0 || told["proxy"] != 0 {
		t.Errorf("secrets told are %v; want some to billing, and none to the proxy", told)
	}
}
