package rootfs

import (
	"context"
	"fmt"
	"strings"
)

// Module is a Go module of which something is in a root file system.
type Module struct {
	Path, Version string
	Dir           string // its source on this machine
}

// busyboxMain is the part of gobusybox that is in every busybox.
const busyboxMain = "github.com/u-root/gobusybox/src/pkg/bb/bbmain"

// Modules gives the Go modules that the programs are made of, but the one that
// is built: sorted, each once.
func (s *Spec) Modules(ctx context.Context) (list []Module, err error) {
	packages := []string{s.Init}
	if !s.OnlyInit {
		packages = append(append(packages, s.Appliance, busyboxMain), s.Variant.packages()...)
	}
	const format = "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}"
	text, err := s.goTool(ctx, append([]string{"list", "-deps", "-tags=" + s.Variant.tags(), "-f", format}, packages...)...)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) != 3 || fields[2] == "" {
			return nil, fmt.Errorf("go list says %q of a module", line)
		}
		if !known[fields[0]] {
			known[fields[0]] = true
			list = append(list, Module{fields[0], fields[1], fields[2]})
		}
	}
	return list, nil
}
