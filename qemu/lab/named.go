package lab

import (
	"context"
	"embed"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// zones are the names that the lab's name server knows; each file is named
// like its zone. Nothing else exists: it has the root as well.
//
//go:embed zones/*.zone
var zones embed.FS

// Named starts bind9 in the namespace, as the name server of the lab at that
// address, and waits until it answers. dir is an empty folder for its files.
func (n *Namespace) Named(ctx context.Context, peers *Peers, dir string, at netip.Addr) (*Process, error) {
	config, err := writeZones(dir, at)
	if err != nil {
		return nil, fmt.Errorf("prepare named: %w", err)
	}
	command, err := peers.Command(ctx, "named", "-g", "-c", config, "-n", "1")
	if err != nil {
		return nil, err
	}
	named, err := n.Run("named", command)
	if err != nil {
		return nil, err
	}
	if _, err := named.Await(ctx, ` running$`); err != nil {
		named.Kill()
		return nil, err
	}
	return named, nil
}

// writeZones writes the zones into dir and gives the file of the configuration.
func writeZones(dir string, at netip.Addr) (string, error) {
	var config strings.Builder
	fmt.Fprintf(&config, `options {
	directory "%[1]s";
	pid-file none;
	session-keyfile "%[1]s/session.key";
	listen-on { %[2]s; };
	listen-on-v6 { none; };
	allow-query { any; };
	recursion yes;
	allow-recursion { any; };
	dnssec-validation no;
	empty-zones-enable no;
};
controls {};
`, dir, at)
	files, err := zones.ReadDir("zones")
	if err != nil {
		return "", err
	}
	for _, file := range files {
		text, err := zones.ReadFile("zones/" + file.Name())
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, file.Name()), text, 0o600); err != nil {
			return "", err
		}
		zone := strings.TrimSuffix(file.Name(), ".zone")
		if zone == "root" {
			zone = "."
		}
		fmt.Fprintf(&config, "zone \"%s\" { type primary; file \"%s\"; };\n", zone, file.Name())
	}
	path := filepath.Join(dir, "named.conf")
	return path, os.WriteFile(path, []byte(config.String()), 0o600)
}
