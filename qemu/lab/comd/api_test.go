package comd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/creachadair/jrpc2"

	"causeway/appliance/com/wire"
	"causeway/qemu/lab/comd/store"
)

// TestAPI has who runs COM and operators of two partners call all that there is.
func TestAPI(t *testing.T) {
	w := newWorld(t, Options{})
	w.api = serveAPI(w)
	tokens := map[string]string{"": "", "nobody": "x"}
	for name, partner := range map[string]string{"root": "", "anna": FirstPartner, "other": "OTHER"} {
		token, err := w.NewToken(name, partner)
		if err != nil {
			t.Fatal(err)
		}
		tokens[name] = token
	}
	pending := newBox(w, "FHK1234ABcd").mustConnect(func(context.Context, *jrpc2.Request) (any, error) {
		return nil, &jrpc2.Error{Code: jrpc2.MethodNotFound, Message: "no such method"}
	})
	if err := w.Preregister("FHK1234ABcd", FirstCustomer); err != nil {
		t.Fatal(err)
	}
	entry := wire.Entry{Sequence: 7, Class: wire.ClassAlarm, Kind: "alarm"}
	if err := pending.call(wire.MethodAlarmPush, wire.Push{Entries: []wire.Entry{entry}}, nil); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.Root())
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	const box, strange = "/boxes/FHK1234ABcd", "/boxes/FHK9999ABcd"
	for _, row := range []struct {
		who, method, path, body string
		status                  int
		want                    string // pattern
	}{
		{"", "GET", "/root.pem", "", 200, `^-----BEGIN CERTIFICATE-----`},
		{"", "GET", "/boxes", "", 401, `token`},
		{"nobody", "GET", "/boxes", "", 401, `token`},
		{"", "GET", box + "/stream", "", 401, `token`},
		{"root", "PUT", "/partners/OTHER", "", 200, ``},
		{"root", "PUT", "/customers/C-2", `{"partner": "OTHER"}`, 200, ``},
		{"root", "PUT", "/customers/C-3", `{"partner": "NONE"}`, 404, `NONE`},
		{"root", "PUT", "/customers/C-3", `{"name": "OTHER"}`, 400, `unknown field`},
		{"root", "POST", "/tokens", `{"name": "bert", "partner": "OTHER"}`, 200, `"token":"[A-Z2-7]{26}"`},
		{"root", "POST", "/tokens", `{"name": "bert", "partner": "NONE"}`, 404, `NONE`},
		{"root", "POST", "/tokens", `{}`, 400, `name`},
		{"root", "GET", "/customers", "", 200, `C-2.*LAB-0001`},
		{"other", "GET", "/customers", "", 200, `^\[{"id":"C-2","partner":"OTHER"}\]`},

		{"anna", "GET", "/boxes", "", 200, `FHK1234ABcd`},
		{"other", "GET", "/boxes", "", 200, `^\[\]`},
		{"anna", "GET", box, "", 200, `"up":true`},
		{"other", "GET", box, "", 404, `none`},
		{"other", "GET", box + "/alarms", "", 404, `none`},
		{"other", "GET", box + "/stream", "", 404, `none`},
		{"other", "POST", box + "/call", `{"method": "config.get"}`, 404, `none`},
		{"other", "POST", box + "/approve", "", 404, `none`},
		{"other", "POST", box + "/revoke", "", 404, `none`},
		{"other", "PUT", box, `{"customer": "C-2"}`, 404, `none`},
		{"other", "PUT", strange, `{"customer": "LAB-0001"}`, 404, `none`},
		{"other", "PUT", strange, `{"customer": "C-2"}`, 200, ``},
		{"anna", "GET", strange, "", 404, `none`},
		{"other", "GET", strange, "", 200, `"approved":true.*"state":null`},
		{"other", "POST", strange + "/call", `{"method": "config.get"}`, 502, `not connected`},
		{"anna", "PUT", box, `{"customer": "C-2"}`, 404, `none`},
		{"root", "PUT", box, `{"customer": "C-2"}`, 400, `belongs to`},
		{"root", "GET", "/boxes/none", "", 404, `none`},
		{"root", "POST", box + "/call", `{"method": "config.get"}`, 502, `"code":-32601`},

		{"anna", "GET", box + "/alarms", "", 200, `"seq":7`},
		{"anna", "GET", box + "/alarms?most=0", "", 400, `want 1`},
		{"other", "GET", strange + "/alarms", "", 200, `^\[\]`},
		{"anna", "PUT", box + "/subscriptions/calls", `{"count": 30}`, 403, `runs COM`},
		{"root", "PUT", box + "/subscriptions/calls", `{"count": 30, "expires": "2036-01-01T00:00:00Z"}`, 200, ``},
		{"root", "PUT", box + "/subscriptions/none", `{"count": 30}`, 400, `none`},
		{"root", "PUT", box + "/subscriptions/calls", `{"count": -1}`, 400, `0 or more`},
		{"root", "PUT", "/boxes/none/subscriptions/calls", `{"count": 1}`, 404, `none`},
		{"anna", "GET", box, "", 200, `"feature":"calls","count":30`},
		{"root", "PUT", box + "/subscriptions/calls", `{"count": 0}`, 200, ``},
		{"anna", "POST", box + "/goaway", `{}`, 403, `runs COM`},

		{"anna", "GET", "/faults", "", 403, `runs COM`},
		{"root", "PUT", "/faults", `[{"kind": "silence", "on": "hb", "times": 2}]`, 200, ``},
		{"root", "PUT", "/faults", `[{"kind": "none"}]`, 400, `none`},
		{"root", "GET", "/faults", "", 200, `"kind":"silence"`},
		{"anna", "POST", "/clock", `{"advance": 1}`, 403, `runs COM`},
		{"root", "POST", "/clock", `{"advance": 86400}`, 200, `"now"`},
		{"root", "POST", "/clock", `{"advance": 9223372036854775807}`, 400, `50 years`},
		{"root", "GET", "/clock", "", 200, `"now"`},

		{"anna", "POST", box + "/approve", "", 200, ``},
		{"root", "POST", box + "/revoke", "", 200, ``},
		{"anna", "GET", box, "", 200, `"approved":false`},
		{"anna", "GET", "/audit", "", 403, `runs COM`},
		{"root", "GET", "/audit?most=1000", "", 200, `(?s)"who":"anna","partner":"LAB".*POST /boxes/FHK1234ABcd/approve`},
		{"root", "GET", "/audit?most=1000", "", 200, `"who":"nobody".*"result":"the token is not valid"`},
		{"root", "DELETE", "/boxes", "", 405, ``},
	} {
		request, err := http.NewRequest(row.method, w.api+row.path, strings.NewReader(row.body))
		if err != nil {
			t.Fatal(err)
		}
		if row.who != "" {
			request.Header.Set("Authorization", "Bearer "+tokens[row.who])
		}
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != row.status || !regexp.MustCompile(row.want).Match(text) {
			t.Errorf("%s: %s %s = %d, %s, %v; want %d, %s", row.who, row.method, row.path, answer.StatusCode, text, err, row.status, row.want)
		}
	}
	trail, err := w.Store.AuditTrail(store.MostAudit)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range trail {
		if strings.Contains(a.What+a.Result, tokens["root"]) || strings.Contains(a.What, "9223372036854775807") {
			t.Errorf("in the audit trail stand parameters: %+v", a)
		}
	}
}
