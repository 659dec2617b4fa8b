package xmlcdr

import (
	"cmp"
	"crypto/md5"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What stands behind the name of a file that is not finished, while it is
// copied, and of one that is damaged.
const (
	partSuffix = ".part"
	copySuffix = ".copy"
	badSuffix  = ".part.bad"
)

// fileName is the name of a file: its number, and what stands behind.
var fileName = regexp.MustCompile(`^billing-[0-7]-[0-9]{8}T[0-9]{6}Z-([0-9]{6,9})\.xml(.*)$`)

// numberOf is the number in the name of a file; 0: it is none of ours.
func numberOf(name string) (number int, suffix string) {
	match := fileName.FindStringSubmatch(name)
	if match == nil {
		return 0, ""
	}
	number, _ = strconv.Atoi(match[1])
	return number, match[2]
}

// byNumber orders names as the files were begun.
func byNumber(a, b string) int {
	numberA, _ := numberOf(a)
	numberB, _ := numberOf(b)
	return cmp.Compare(numberA, numberB)
}

// ready takes the directory into use unless it is.
func (f *Files) ready() error {
	if f.dir != nil {
		if f.dir.Moved() == nil {
			return nil
		}
		f.leave()
	}
	f.tried = time.Now()
	dir, err := f.enter()
	if err != nil {
		return err
	}
	f.dir = dir
	if _, err = f.measure(); err == nil {
		err = f.recover()
	}
	if err != nil {
		f.leave()
	}
	return err
}

// recover finishes what an earlier life or a fault left, sees that each
// finished file has its checksum, and finds out which calls stand in the newest.
func (f *Files) recover() error {
	names, err := f.dir.Names()
	if err != nil {
		return err
	}
	if _, err := f.logs.read(f.dir); err != nil {
		return err
	}
	f.number = max(f.number, f.logs.newest)
	var finished, leftover []string
	for _, name := range names {
		number, suffix := numberOf(name)
		f.number = max(f.number, number)
		switch {
		case number == 0:
		case suffix == partSuffix:
			leftover = append(leftover, strings.TrimSuffix(name, partSuffix))
		case suffix == "":
			finished = append(finished, name)
		}
	}
	finished = slices.DeleteFunc(finished, func(name string) bool { return slices.Contains(leftover, name) })
	slices.SortFunc(finished, byNumber)
	f.recall(finished)
	for _, name := range finished {
		if number, _ := numberOf(name); number > f.logs.newest {
			if err := f.logSum(name); err != nil {
				return err
			}
		}
	}
	for _, name := range leftover {
		if err := f.finishLeftover(name); err != nil {
			return err
		}
	}
	return nil
}

// recall remembers the calls of the newest finished files. Those of a file that
// cannot be read may be written twice.
func (f *Files) recall(finished []string) {
	var files []recent
	count := 0
	for _, name := range slices.Backward(finished) {
		if count >= remembered {
			break
		}
		in, err := f.dir.Open(name, os.O_RDONLY)
		if err != nil {
			continue
		}
		var found recent
		calls := callReader{hash: md5.New()}
		if err := eachLine(in, func(line []byte) error {
			if call, ends := calls.line(line); ends {
				found.add(call)
				count++
			}
			return nil
		}); err != nil {
			f.options.Log.Error("read a CDR file", "name", name, "error", err)
		}
		in.Close()
		files = append(files, found)
	}
	for _, calls := range slices.Backward(files) {
		f.known.addAll(calls)
	}
}

// finishLeftover finishes a part with the whole calls that it begins with.
func (f *Files) finishLeftover(name string) error {
	in, err := f.dir.Open(name+partSuffix, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer in.Close()
	var found recent
	s := scan(name, in, found.add)
	// A disk that is just going away and a bad sector look alike at first.
	if f.unreadable++; s.err != nil && f.unreadable < 3 {
		return s.err
	}
	f.unreadable = 0
	if s.torn > 0 || s.damaged() {
		f.options.Log.Warn("CDR file repaired", "name", name, "calls", s.calls, "octets_cut", s.torn, "marks_behind", s.marks, "error", s.err)
	}
	if s.calls == 0 {
		return f.endPart(name, s.damaged())
	}
	if err := f.finish(&part{name: name, size: s.whole, sum: s.sum, calls: s.calls}, s.damaged()); err != nil {
		return err
	}
	f.known.addAll(found)
	return nil
}

// logSum gives a finished file its line in a checksum log.
func (f *Files) logSum(name string) error {
	in, err := f.dir.Open(name, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) { // it was transferred meanwhile
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close()
	sum, err := sumOf(in)
	if err != nil { // a bad sector must not be in the way of others
		f.options.Log.Error("a CDR file has no checksum", "name", name, "error", err)
		return nil
	}
	return f.logs.add(f.dir, name, sum)
}
