package xmlcdr

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
)

// logNames are the checksum logs (seed 003); logLimit is the size from which on
// the other one is written, and logMost what is read of one, in octets: a stick
// may have a larger file of that name.
var logNames = [2]string{"md5checksum1.log", "md5checksum2.log"}

const (
	logLimit = 2_000_000
	logMost  = logLimit + 64<<10
)

// logLine is a line as md5sum -c wants it.
var logLine = regexp.MustCompile(`^[0-9a-f]{32}  \S+\n$`)

// checksums are both logs. The one with the newest line goes on.
type checksums struct {
	sizes   [2]int64 // octets of whole lines
	current int
	newest  int // greatest number of a file in them
}

// read finds out what stands in the logs: the MD5 of each file.
func (c *checksums) read(d directory) (sums map[string]string, err error) {
	*c = checksums{}
	sums = map[string]string{}
	for i, name := range logNames {
		content, err := readLog(d, name)
		if err != nil {
			return nil, err
		}
		c.sizes[i] = int64(len(content))
		for line := range bytes.Lines(content) {
			sum, file, _ := strings.Cut(strings.TrimSpace(string(line)), "  ")
			sums[file] = sum
			if number, _ := numberOf(file); number > c.newest {
				c.newest, c.current = number, i
			}
		}
	}
	return sums, nil
}

// readLog reads the lines of a log, up to one that is torn or none: the next
// line is written there.
func readLog(d directory, name string) ([]byte, error) {
	in, err := d.Open(name, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer in.Close()
	content, err := io.ReadAll(io.LimitReader(in, logMost))
	whole := 0
	for line := range bytes.Lines(content) {
		if !logLine.Match(line) {
			break
		}
		whole += len(line)
	}
	return content[:whole], err
}

// add makes the line of a file last.
func (c *checksums) add(d directory, name, sum string) (err error) {
	if c.sizes[c.current] > logLimit {
		c.current = 1 - c.current
		c.sizes[c.current] = 0
	}
	size := &c.sizes[c.current]
	log, err := d.Open(logNames[c.current], os.O_WRONLY|os.O_CREATE|os.O_APPEND)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	if err := log.Truncate(*size); err != nil {
		return err
	}
	line := sum + "  " + name + "\n"
	if _, err := io.WriteString(log, line); err != nil {
		return err
	}
	if err := log.Datasync(); err != nil {
		return err
	}
	if *size == 0 {
		if err := d.Sync(); err != nil {
			return err
		}
	}
	*size += int64(len(line))
	number, _ := numberOf(name)
	c.newest = max(c.newest, number)
	return nil
}

// sumOf is the MD5 of all that is read, as text.
func sumOf(in io.Reader) (string, error) {
	hash := md5.New()
	_, err := io.Copy(hash, in)
	return hex.EncodeToString(hash.Sum(nil)), err
}
