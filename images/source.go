package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"causeway/appliance/model"
)

// moduleDir is the directory of the Go module we are in: the source of the image.
func moduleDir(ctx context.Context) (string, error) {
	mod, err := output(ctx, ".", "go", "env", "GOMOD")
	if err != nil {
		return "", err
	}
	if filepath.Base(mod) != "go.mod" {
		return "", fmt.Errorf("not within the source: there is no go.mod here or above")
	}
	return filepath.Dir(mod), nil
}

// dirty ends the version of a source with changes that are not committed.
const dirty = ".dirty"

// describe says which commit the source is, and when that was made. Outside git
// (a source archive) SOURCE_DATE_EPOCH must give the time.
func describe(ctx context.Context, source string) (model.BuildInfo, error) {
	info := model.BuildInfo{Version: fullVersion(""), Floor: floor}
	seconds := os.Getenv("SOURCE_DATE_EPOCH")
	if _, err := git(ctx, source, "rev-parse", "--git-dir"); err == nil {
		// By itself git abbreviates to what this clone or this user needs.
		commit, err := git(ctx, source, "describe", "--exclude=*", "--always", "--abbrev=12", "--dirty="+dirty)
		if err != nil {
			return info, err
		}
		info.Version = fullVersion(commit)
		if info.Commit, err = git(ctx, source, "rev-parse", "HEAD"); err != nil {
			return info, err
		}
		if seconds, err = git(ctx, source, "log", "-1", "--format=%ct"); err != nil {
			return info, err
		}
	}
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return info, fmt.Errorf("when was this source made? It is not in git, and SOURCE_DATE_EPOCH is %q", seconds)
	}
	info.Time = time.Unix(unix, 0).UTC()
	return info, nil
}

// git runs git in the source, whoever owns it.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	return output(ctx, dir, "git", append([]string{"-c", "safe.directory=*"}, args...)...)
}

// output gives what a command prints, without the last newline.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(complaint.Bytes()))
	}
	return strings.TrimSpace(out.String()), nil
}
