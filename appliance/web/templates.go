package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"causeway/appliance/web/chart"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// parse gives the templates, by the names of their files.
func (s *Server) parse() *template.Template {
	return template.Must(s.functions(template.New("")).ParseFS(templateFiles, "templates/*.html"))
}

// functions gives a template what all of them may call.
func (s *Server) functions(t *template.Template) *template.Template {
	return t.Funcs(template.FuncMap{
		"clock": func(t time.Time) string { return clock(t, s.Zone()) },
		"join":  strings.Join,
	})
}

// fill gives a view as HTML.
func (s *Server) fill(w view) (template.HTML, error) {
	var text strings.Builder
	if err := s.templates.ExecuteTemplate(&text, w.template+".html", w.data); err != nil {
		return "", fmt.Errorf("fill template %s: %w", w.template, err)
	}
	return template.HTML(text.String()), nil
}

// asset is a file that browsers may keep for ever, since its name changes with it.
type asset struct {
	URL       string
	mediaType string
	content   []byte
}

// assets are the files of the pages, by their names in the folder.
func assets() map[string]asset {
	list := map[string]asset{}
	for name, mediaType := range map[string]string{
		"style.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
	} {
		content, err := fs.ReadFile(staticFiles, "static/"+name)
		if err != nil {
			panic(err) // it is embedded
		}
		if name == "style.css" {
			content = append(content, chart.Stylesheet...)
		}
		hash := sha256.Sum256(content)
		base, extension, _ := strings.Cut(name, ".")
		list[name] = asset{"/static/" + base + "-" + hex.EncodeToString(hash[:8]) + "." + extension, mediaType, content}
	}
	return list
}

// serveAsset serves one of the assets.
func (s *Server) serveAsset(w http.ResponseWriter, r *http.Request) {
	for _, a := range s.assets {
		if a.URL == r.URL.Path {
			w.Header().Set("Content-Type", a.mediaType)
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			w.Write(a.content)
			return
		}
	}
	s.refuse(w, http.StatusNotFound, errors.New("there is no such file"))
}
