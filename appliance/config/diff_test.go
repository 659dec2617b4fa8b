package config

import "testing"

func TestDiff(t *testing.T) {
	for _, test := range []struct{ name, before, after, want string }{
		{"nothing", "a\n b\n exit\n!\nc\n", "a\n b\n!\nc", ""},
		{"a line", "a\nb\nc\n", "a\nd\nc\n", "- b\n+ d\n"},
		{"a line in a mode", "a\n b\n c\n exit\nd\n", "a\n b\n e\n exit\nd\n", "  a\n-  c\n+  e\n"},
		{"two modes deep", "a\n b\n  c\n", "a\n b\n  d\n", "  a\n   b\n-   c\n+   d\n"},
		{"a mode comes", "", "a\n b\n exit\n", "+ a\n+  b\n"},
		{"a mode goes", "a\n b\n exit\nc\n", "c\n", "- a\n-  b\n"},
		{"a line moves", "a\nb\nc\nd\n", "b\nc\na\nd\n", "- a\n+ a\n"},
		{"a line twice", "a\na\n", "a\n", "- a\n"},
		{"lines kept aside", "a\n!? b\n", "a\n!? b\n!?  c\n", "+ !?  c\n"},
	} {
		if got := Diff(test.before, test.after); got != test.want {
			t.Errorf("%s: Diff(%q, %q) = %q; want %q", test.name, test.before, test.after, got, test.want)
		}
	}
}
