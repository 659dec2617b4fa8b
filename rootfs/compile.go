package rootfs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// toolchain decides on the code that the Go tool makes, whatever the user or the
// machine has set.
var toolchain = map[string]string{
	"GOOS": "linux", "CGO_ENABLED": "0",
	"GOFLAGS": "", "GOWORK": "off", "GO111MODULE": "", "GOEXPERIMENT": "", "GOFIPS140": "off",
	"GOAMD64": "v1", "GOARM64": "v8.0",
}

// PinToolchain sets this process's environment so that the Go tool, run by us
// or by gobusybox, makes the same code for everybody.
func PinToolchain() error {
	for name, value := range toolchain {
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("set %s for the Go tool: %w", name, err)
		}
	}
	return nil
}

// compile builds a Go program for the board: with inlining and, where the
// package has a default.pgo, its profile; without anything that names the
// machine it was built on.
func (s *Spec) compile(ctx context.Context, pkg, tags, file string) error {
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-tags=" + tags, "-o", file}
	if s.Fresh {
		args = append(args, "-a")
	}
	_, err := s.goTool(ctx, append(args, pkg)...)
	return err
}

// goTool runs the Go tool in the module and gives what it prints.
func (s *Spec) goTool(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = s.Source
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+s.Board.GOARCH, "CGO_ENABLED=0")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(complaint.Bytes()))
	}
	return out.String(), nil
}
