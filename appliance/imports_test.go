package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// base are the packages that subjects may import. In each, what it imports of
// the project itself.
var base = map[string][]string{
	"model":            nil,
	"sip/message":      nil,
	"sip/hop":          {"model", "sip/message"},
	"routing/field":    {"model", "sip/hop", "sip/message"},
	"storage":          nil,
	"storage/remote":   nil,
	"storage/database": nil,
	"config":           {"model"},
	"exec":             {"config", "model"},
	"link":             {"model", "storage"},
	"config/change":    {"config", "link", "model", "storage"},
	"storage/files":    {"config", "config/change", "exec", "link", "model", "storage", "storage/remote"},
	"hardware":         nil,
	"entrance":         {"model"},
	"appointment":      nil,
	"bundle":           {"model"},
	"confine":          nil,
	"grammar/drawn":    {"model"},
	"alarm":            {"config", "exec", "link", "model", "storage", "storage/database"},
}

// wiring are the packages that put subjects together.
var wiring = []string{"", "control", "proxy", "billing", "grammar"}

// owned are packages that belong to a subject: it and what else it owns may import them, and they it.
var owned = map[string]string{
	"billing/cache":         "billing",
	"billing/journal":       "billing",
	"billing/halfcall":      "billing",
	"billing/packetcable":   "billing",
	"billing/radius":        "billing",
	"billing/segment":       "billing",
	"billing/xmlcdr":        "billing",
	"routing/normalization": "routing",
	"routing/servergroup":   "routing",
	"sip/locate":            "sip",
	"sip/stream":            "sip",
	"sip/trace":             "sip",
	"license/ela":           "license",
	"callhome/facts":        "callhome",
	"callhome/message":      "callhome",
	"callhome/transport":    "callhome",
	"network/dhcp":          "network",
	"network/firewall":      "network",
	"access/sftp":           "access",
	"access/ssh":            "access",
	"com/gate":              "com",
	"com/line":              "com",
	"com/mux":               "com",
	"com/outbox":            "com",
	"com/services":          "com",
	"com/subscription":      "com",
	"com/wire":              "com",
	"web/chart":             "web",
	"web/shown":             "web",
}

// TestImportsPointDown checks the graph of docs/architecture.md: subjects
// import the base and never each other.
func TestImportsPointDown(t *testing.T) {
	const root = "causeway/appliance"
	output, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	decoder, seen := json.NewDecoder(strings.NewReader(string(output))), 0
	for {
		var listed struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&listed); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen++
		name := strings.TrimPrefix(strings.TrimPrefix(listed.ImportPath, root), "/")
		for _, imported := range listed.Imports {
			to, ours := strings.CutPrefix(imported, root+"/")
			switch {
			case ours && !mayImport(name, to):
				t.Errorf("%s imports %s", name, to)
			case !ours && strings.HasPrefix(imported, "causeway/"):
				t.Errorf("%s imports %s, which is outside the appliance", name, imported)
			}
		}
	}
	if seen < 70 {
		t.Errorf("go list found %d packages; there are more", seen)
	}
}

func mayImport(from, to string) bool {
	if allowed, isBase := base[from]; isBase {
		return slices.Contains(allowed, to)
	}
	if slices.Contains(wiring, from) || owned[to] == from || owned[from] == to || owned[to] != "" && owned[to] == owned[from] {
		return true
	}
	_, toBase := base[to]
	return toBase
}
