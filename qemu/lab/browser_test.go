package lab

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// site is a page with all that a browser of the lab is to handle, over HTTPS.
const site = `<!DOCTYPE html><html lang="en"><meta name="viewport" content="width=device-width"><title>Site</title>
<main><h1>Site</h1>
<form method="post" action="/taken"><label>Name <input name="name" value="before"></label>
<label>Kind <select name="kind"><option value="1">One</option><option value="2">Two</option></select></label>
<label>File <input type="file" name="file"></label><button>Send</button></form>
<section aria-label="Second"><button>Send</button></section>
<p id="script">no scripts</p></main><script src="/site.js"></script></html>`

func serveSite(t *testing.T, where *Namespace) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self'; form-action 'self'")
		fmt.Fprint(w, site)
	})
	mux.HandleFunc("GET /site.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, `document.getElementById("script").textContent = "scripts run"`)
	})
	mux.HandleFunc("POST /taken", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprintf(w, "<!DOCTYPE html><title>x</title>taken %s, %s", r.FormValue("name"), r.FormValue("kind"))
	})
	mux.HandleFunc("GET /bad", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "script-src 'self'")
		fmt.Fprint(w, `<!DOCTYPE html><html><script>1</script><script src="/none.js"></script><script src="/throws.js"></script><img src="/none.png"><p style="color:#ddd;background:#fff">pale</p>`)
	})
	mux.HandleFunc("GET /throws.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, `console.error("planted"); throw new Error("thrown")`)
	})
	server := httptest.NewUnstartedServer(mux)
	err := where.Do(func() (err error) {
		server.Listener.Close()
		server.Listener, err = net.Listen("tcp", "127.0.0.1:0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// TestBrowser: it is in its namespace, trusts whom it is told to, and does what
// people do.
func TestBrowser(t *testing.T) {
	t.Parallel()
	where, err := NewNamespace()
	if err != nil {
		t.Fatal(err)
	}
	defer where.Close()
	server := serveSite(t, where)
	ctx := aMinute(t)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	browser, err := where.Browser(ctx, server.Certificate())
	check(err)
	defer browser.Close()
	tab, err := browser.Tab(Screen{Width: 390})
	check(err)
	check(tab.Open(ctx, server.URL))
	check(tab.Sees(ctx, "scripts run"))
	if faults := tab.Faults(); len(faults) > 0 || tab.Status() != 200 || tab.Octets() < len(site) {
		t.Errorf("a good page: faults %q, status %d, %d octets", faults, tab.Status(), tab.Octets())
	}
	name, err := tab.Field(ctx, "Name")
	check(err)
	check(name.Fill(ctx, ""))
	check(name.Fill(ctx, "after"))
	kind, err := tab.Field(ctx, "Kind")
	check(err)
	check(kind.Choose(ctx, "Two"))
	if err := kind.Choose(ctx, "Three"); err == nil {
		t.Error("a choice that there is not was taken")
	}
	second, err := tab.Find(ctx, "region", "Second")
	check(err)
	inside, err := second.Find(ctx, "button", "Send")
	check(err)
	around, err := inside.Around(ctx, "section")
	check(err)
	if around.Node != second.Node {
		t.Errorf("around the button is node %d; want the region, %d", around.Node, second.Node)
	}
	check(tab.Keys(ctx, kb.Tab+kb.Tab))
	focused, err := tab.Focused(ctx)
	check(err)
	if focused.Role != "button" {
		t.Errorf("Tab leads to %s %q; want the button of the file", focused.Role, focused.Name)
	}
	picture := filepath.Join(t.TempDir(), "site.png")
	check(tab.Screenshot(ctx, picture))
	if file, err := os.ReadFile(picture); !strings.HasPrefix(string(file), "\x89PNG") {
		t.Errorf("the picture is no PNG: %v", err)
	}
	all, err := tab.Elements(ctx)
	check(err)
	send := all[slices.IndexFunc(all, func(e Element) bool { return e.Role == "button" && e.Name == "Send" })]
	check(send.Follow(ctx))
	check(tab.Sees(ctx, "taken after, 2"))
	if tab.Status() != 422 {
		t.Errorf("status = %d; want 422", tab.Status())
	}

	check(tab.Open(ctx, server.URL+"/bad"))
	faults := strings.Join(tab.Faults(), "\n")
	for _, want := range []string{"Content Security Policy", "none.js: HTTP status 404", "none.png: HTTP status 404", "planted", "thrown"} {
		if !strings.Contains(faults, want) {
			t.Errorf("faults of a bad page:\n%s\nwant %q", faults, want)
		}
	}
	axe, err := OpenAxe(ctx)
	check(err)
	barriers, err := axe.Barriers(ctx, tab)
	check(err)
	for _, id := range []string{"image-alt", "html-has-lang"} {
		if !slices.ContainsFunc(barriers, func(b Barrier) bool { return b.ID == id && b.Serious() && len(b.Nodes) > 0 }) {
			t.Errorf("barriers of a bad page: %v; want %s", barriers, id)
		}
	}

	plain, err := browser.Tab(Screen{NoScripts: true})
	check(err)
	check(plain.Open(ctx, server.URL))
	check(plain.Sees(ctx, "no scripts"))
	plain.Close()

	wary, err := where.Browser(ctx)
	check(err)
	defer wary.Close()
	tab, err = wary.Tab(Screen{})
	check(err)
	if err := tab.Open(ctx, server.URL); err == nil {
		t.Error("a certificate that nobody vouches for was taken")
	}
}
