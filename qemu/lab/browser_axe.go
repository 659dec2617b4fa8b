package lab

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"causeway/rootfs/cache"
)

// What is fetched of npm: the rules of accessibility that pages are held against.
const (
	axeVersion   = "4.14.1"
	axeIntegrity = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==" // SHA-512
	axeScript    = "package/axe.min.js"
)

// Axe is axe-core, which finds what keeps people from using a page.
type Axe struct {
	source string
}

// OpenAxe gives it, fetched with npm if it is not in the cache.
func OpenAxe(ctx context.Context) (*Axe, error) {
	packages, err := cache.Default()
	if err != nil {
		return nil, err
	}
	dir, err := packages.Entry(filepath.Join("axe", cache.Key(axeVersion, axeIntegrity)), func(dir string) error { return fetchAxe(ctx, dir) })
	if err != nil {
		return nil, fmt.Errorf("fetch axe-core: %w", err)
	}
	source, err := os.ReadFile(filepath.Join(dir, filepath.Base(axeScript)))
	if err != nil {
		return nil, err
	}
	return &Axe{string(source)}, nil
}

// fetchAxe leaves the script in dir. Nothing of the package runs.
func fetchAxe(ctx context.Context, dir string) error {
	pack := exec.CommandContext(ctx, "npm", "pack", "--silent", "--ignore-scripts", "axe-core@"+axeVersion)
	pack.Dir = dir
	if output, err := pack.CombinedOutput(); err != nil {
		return fmt.Errorf("npm pack: %w: %s", err, output)
	}
	file := filepath.Join(dir, "axe-core-"+axeVersion+".tgz")
	defer os.Remove(file)
	packed, err := os.Open(file)
	if err != nil {
		return err
	}
	defer packed.Close()
	sum := sha512.New()
	if _, err := io.Copy(sum, packed); err != nil {
		return err
	}
	if got := base64.StdEncoding.EncodeToString(sum.Sum(nil)); got != axeIntegrity {
		return fmt.Errorf("the SHA-512 is %s; want %s", got, axeIntegrity)
	}
	if _, err := packed.Seek(0, io.SeekStart); err != nil {
		return err
	}
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		return err
	}
	for archive := tar.NewReader(unpacked); ; {
		header, err := archive.Next()
		if err != nil {
			return fmt.Errorf("look for %s: %w", axeScript, err)
		}
		if header.Name == axeScript {
			script, err := io.ReadAll(archive)
			return errors.Join(err, os.WriteFile(filepath.Join(dir, filepath.Base(axeScript)), script, 0o644))
		}
	}
}

// Barrier is a rule of axe-core's that a page breaks.
type Barrier struct {
	ID     string // of the rule: "color-contrast"
	Impact string // minor, moderate, serious, critical
	Help   string
	Nodes  []struct {
		HTML           string
		FailureSummary string
	}
}

// Serious says whether it keeps people from using the page.
func (b Barrier) Serious() bool { return b.Impact == "serious" || b.Impact == "critical" }

// String has the places, too.
func (b Barrier) String() string {
	text := fmt.Sprintf("%s (%s): %s", b.ID, b.Impact, b.Help)
	for _, n := range b.Nodes {
		text += fmt.Sprintf("\n  %s: %s", n.HTML, n.FailureSummary)
	}
	return text
}

// Barriers holds the page against the rules of WCAG 2.2, levels A and AA, and of
// good practice. It needs scripts.
func (a *Axe) Barriers(ctx context.Context, t *Tab) ([]Barrier, error) {
	if loaded, err := Script[bool](ctx, t, `typeof axe === "object"`); err != nil {
		return nil, err
	} else if !loaded {
		if _, err := Script[bool](ctx, t, a.source+"\n;true"); err != nil {
			return nil, err
		}
	}
	return Script[[]Barrier](ctx, t, `axe.run(document, {resultTypes: ["violations"], preload: false}).then(r => r.violations.map(v => (
		{ID: v.id, Impact: v.impact, Help: v.help, Nodes: v.nodes.map(n => ({HTML: n.html, FailureSummary: n.failureSummary}))})))`)
}
