package web

import (
	"html/template"
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

// TestTemplates: no name is there twice (the last one would count, without a word),
// and none needs what the policy of the pages does not let run.
func TestTemplates(t *testing.T) {
	s := newBox(t, nil).server
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d templates, %v; want more", len(files), err)
	}
	inline := regexp.MustCompile(`(?i)\s(style|on[a-z]+)\s*=|<style|<script[^>]*>[^<]|javascript:|(src|href)="(https?:)?//`)
	at := map[string]string{}
	for _, file := range files {
		text, err := fs.ReadFile(templateFiles, file)
		if err != nil {
			t.Fatal(err)
		}
		if found := inline.Find(text); found != nil {
			t.Errorf("%s has %q", file, found)
		}
		one, err := s.functions(template.New("")).Parse(string(text))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		names := []string{strings.TrimPrefix(file, "templates/")}
		for _, defined := range one.Templates() {
			if defined.Name() != "" {
				names = append(names, defined.Name())
			}
		}
		for _, name := range names {
			if before := at[name]; before != "" {
				t.Errorf("template %q is in %s and in %s", name, before, file)
			}
			at[name] = file
		}
	}
}

// TestAssets: what browsers fetch beside a page is small, and theirs for ever.
func TestAssets(t *testing.T) {
	b := newBox(t, nil)
	w := b.browser(t)
	for name, most := range map[string]int{"style.css": 16 << 10, "page.js": 4 << 10, "icon.svg": 1 << 10} {
		answer, text := w.do(w.request("GET", b.server.assets[name].URL, ""))
		if answer.StatusCode != 200 || len(text) == 0 || len(text) > most || !strings.Contains(answer.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("GET %s = %d, %d octets, %q; want at most %d", name, answer.StatusCode, len(text), answer.Header.Get("Cache-Control"), most)
		}
	}
}
