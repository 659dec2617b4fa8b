package segment

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Printer is what the support tool knows of a format.
type Printer struct {
	Format
	// Print prints a frame, as lines that begin with # unless they are a record.
	Print func(out io.Writer, f Frame)
}

// Dump prints a segment, what is left of one, a mark, or all of them in a
// directory, whosever they are, as text for a person: one record a line, and
// lines that begin with # for everything else, the places of damage among
// them. It changes nothing and may run beside writers and readers. The error is
// one of reading path or of writing.
func Dump(out io.Writer, path string, printers []Printer) error {
	names, err := files(path)
	if err != nil {
		return err
	}
	lines := bufio.NewWriter(out)
	for _, name := range names {
		dump(lines, name, printers)
	}
	return lines.Flush()
}

// files gives path, or the files in it.
func files(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, err
	}
	entries, err := os.ReadDir(path)
	var names []string
	for _, entry := range entries {
		if entry.Type().IsRegular() {
			names = append(names, filepath.Join(path, entry.Name()))
		}
	}
	return names, err
}

func dump(out io.Writer, path string, printers []Printer) {
	name := filepath.Base(path)
	if marks := marksIn(path); len(marks) > 0 {
		for _, mark := range marks {
			fmt.Fprintf(out, "# mark %s: record %d, box %x\n", name, mark.seq, mark.box)
		}
		return
	}
	s, printer, err := openAny(path, printers)
	if err != nil {
		fmt.Fprintf(out, "# %s: %v\n", name, err)
		return
	}
	defer s.Close()
	fmt.Fprintf(out, "# %s: segment %d, box %x, from record %d, begun %s\n",
		name, s.Number, s.Box, s.FirstSeq, s.Created.Format(time.RFC3339))
	for {
		f, err := s.Next()
		if err == io.EOF {
			return
		}
		if err == nil {
			printer.Print(out, f)
			continue
		}
		from := s.off
		if !s.Skip() {
			fmt.Fprintf(out, "# %s: %v; nothing after it can be read\n", name, err)
			return
		}
		fmt.Fprintf(out, "# %s: %v; %d octets not read\n", name, err, s.off-from)
	}
}

type markSlot struct {
	seq uint64
	box Box
}

// marksIn gives the valid slots of a mark; none if the file is not one.
func marksIn(path string) (marks []markSlot) {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	for i := range int64(slots) {
		if seq, box, valid := readSlot(file, i); valid {
			marks = append(marks, markSlot{seq, box})
		}
	}
	return marks
}

// openAny opens a segment of any of the formats and any box.
func openAny(path string, printers []Printer) (*Scanner, Printer, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, Printer{}, err
	}
	var b [HeaderSize]byte
	n, err := file.ReadAt(b[:], 0)
	if err != nil && err != io.EOF {
		file.Close()
		return nil, Printer{}, err
	}
	for _, printer := range printers {
		var h Header
		if h, _, err = decodeHeader(b[:n], printer.Magic); err == nil {
			s, err := NewScanner(file, printer.Magic, h.Box)
			return s, printer, err
		}
		if n >= HeaderSize && string(b[:3]) == printer.Magic {
			break // it is the one; what is wrong with it is in err
		}
	}
	file.Close()
	return nil, Printer{}, err
}

// Verify reads what Dump prints and says of each segment what is in it. The
// error says how many are damaged; a record being written at that moment looks
// like damage.
func Verify(out io.Writer, path string, printers []Printer) error {
	names, err := files(path)
	if err != nil {
		return err
	}
	looked, damaged := 0, 0
	for _, name := range names {
		if name != path && filepath.Ext(name) != nameSuffix {
			continue // a mark, or kept aside
		}
		looked++
		if err := verify(out, name, printers); err != nil {
			damaged++
			fmt.Fprintf(out, "%s: %v\n", filepath.Base(name), err)
		}
	}
	if damaged > 0 {
		return fmt.Errorf("%d of %d segments are damaged", damaged, looked)
	}
	return nil
}

// verify prints a line if the file is whole.
func verify(out io.Writer, path string, printers []Printer) error {
	if marks := marksIn(path); len(marks) > 0 {
		fmt.Fprintf(out, "%s: a mark\n", filepath.Base(path))
		return nil
	}
	s, _, err := openAny(path, printers)
	if err != nil {
		return err
	}
	defer s.Close()
	for err == nil {
		_, err = s.Next()
	}
	if err != io.EOF {
		last := s.last
		if s.Skip() {
			return fmt.Errorf("%w; records %d to %d cannot be read", err, last+1, s.last)
		}
		return fmt.Errorf("%w; nothing after record %d can be read", err, last)
	}
	fmt.Fprintf(out, "%s: whole, %d records from %d on\n", filepath.Base(path), s.last+1-s.FirstSeq, s.FirstSeq)
	return nil
}
