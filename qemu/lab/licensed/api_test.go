package licensed

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"causeway/appliance/license/ela"
)

// TestAPI drives a server as a person would.
func TestAPI(t *testing.T) {
	w := newWorld(t, Options{})
	api := httptest.NewServer(w.API())
	t.Cleanup(api.Close)
	b := newBox(w, "FHK1234ABcd")
	b.register()
	file := b.sign(b.header(ela.PathAuthorize, ""), b.mayI(4))

	for _, row := range []struct {
		method, path, body string
		status             int
		want               string // pattern
	}{
		{"GET", "/root.pem", "", 200, `^-----BEGIN CERTIFICATE-----`},
		{"PUT", "/accounts/CUSP%20TEST", `{"smart_account": "Example"}`, 204, ``},
		{"PUT", "/accounts/CUSP%20TEST", `{"smart_account": "Example"}`, 400, `there already`},
		{"PUT", "/accounts/OTHER", `{"smart": "Example"}`, 400, `unknown field`},
		{"GET", "/accounts", "", 200, `(?s)"LAB".*"CUSP TEST"`},
		{"POST", "/accounts/LAB/tokens", `{"valid": 60, "uses": 3}`, 200, `"token": "[0-9a-f]{64}"`},
		{"POST", "/accounts/NONE/tokens", `{}`, 404, `NONE`},
		{"GET", "/accounts/LAB/tokens", "", 200, `(?s)"uses": 0.*"uses": 3`},
		{"PUT", "/accounts/LAB/licenses/CUSP-5", `{"quantity": 30}`, 204, ``},
		{"PUT", "/accounts/LAB/licenses/CUSP-5", `{"quantity": -1}`, 400, `0 or more`},
		{"PUT", "/accounts/LAB/licenses/NONE", `{"quantity": 1}`, 404, `NONE`},
		{"POST", "/offline", string(file), 200, `"signature":`},
		{"POST", "/offline", `{}`, 400, `bad-request`},
		{"GET", "/accounts/LAB/inventory", "", 200, `"in_use": 4`},
		{"GET", "/accounts/LAB/inventory.txt", "", 200, `(?m)^CUSP-5 calls per second +30 +4 +\+26 `},
		{"GET", "/accounts/NONE/inventory", "", 404, `NONE`},
		{"GET", "/signing-certificates", "", 200, `^(?s)-----BEGIN.*-----BEGIN`},
		{"POST", "/signing-certificates", "", 200, `^(?s)-----BEGIN.*-----BEGIN.*-----BEGIN`},
		{"PUT", "/faults", `[{"kind": "silence", "on": "mmi-req", "times": 2}]`, 204, ``},
		{"PUT", "/faults", `[{"kind": "none"}]`, 400, `none`},
		{"GET", "/faults", "", 200, `"kind": "silence"`},
		{"POST", "/clock", `{"advance": 86400}`, 200, `"ahead": 86400`},
		{"GET", "/clock", "", 200, `"ahead": 86400`},
		{"GET", "/instances", "", 200, `"sn": "FHK1234ABcd"`},
		{"POST", "/instances/" + b.instance + "/revoke", "", 204, ``},
		{"POST", "/instances/none/revoke", "", 404, `none`},
		{"GET", "/instances", "", 200, `"status": "revoked"`},
		{"GET", "/exchanges", "", 200, `(?s)"type": "reg-req".*"result": "ok".*"from": "file"`},
		{"DELETE", "/accounts", "", 405, ``},
	} {
		request, err := http.NewRequest(row.method, api.URL+row.path, strings.NewReader(row.body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != row.status || !regexp.MustCompile(row.want).Match(text) {
			t.Errorf("%s %s = %d, %s%v; want %d, %s", row.method, row.path, answer.StatusCode, bytes.TrimSpace(text), err, row.status, row.want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
