package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"causeway/appliance/billing/segment"
	"causeway/appliance/storage"
)

// Prefixes of the names of marks.
const (
	atPrefix  = "at-"
	endPrefix = "end-"
)

func markName(consumer string) string { return atPrefix + consumer }

// orphan is a cursor whose consumer is not there any more.
type orphan struct {
	name     string
	position uint64 // the lowest record not delivered
	end      uint64 // the last record that is kept for it
	place    uint8
	placed   bool // place is known
}

// openMarks opens all marks of the directory and gives the position of each of
// our cursors. Those of other boxes are renamed.
func (c *Cache) openMarks(f *found) (positions []uint64, orphans []orphan, err error) {
	entries, err := os.ReadDir(c.options.Dir)
	if err != nil {
		return nil, nil, err
	}
	ours := map[string]bool{}
	for _, r := range c.cursors {
		ours[r.Name] = true
		position, err := c.openMark(markName(r.Name))
		if err != nil {
			return nil, nil, err
		}
		if err := os.Remove(filepath.Join(c.options.Dir, endPrefix+r.Name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, nil, err
		}
		positions = append(positions, position)
		f.last = max(f.last, max(position, 1)-1)
	}
	for _, entry := range entries {
		name, isMark := strings.CutPrefix(entry.Name(), atPrefix)
		if !isMark || !goodName(name) || ours[name] {
			continue
		}
		position, err := c.openMark(markName(name))
		if err != nil {
			return nil, nil, err
		}
		if position != 0 { // it had something to deliver
			o := orphan{name: name, position: position}
			o.place, o.placed = c.options.Place(name)
			orphans = append(orphans, o)
			f.last = max(f.last, position-1)
		}
	}
	return positions, orphans, errors.Join(c.beginCursors(f, positions), c.endOrphans(f, orphans))
}

// openMark opens a mark and gives its number: 0 if it is new, 1, the beginning,
// if it is damaged.
func (c *Cache) openMark(name string) (uint64, error) {
	path := filepath.Join(c.options.Dir, name)
	info, err := os.Stat(path)
	fresh := err != nil || info.Size() == 0
	mark, err := segment.OpenMark(c.options.Dir, name, c.options.Box)
	if err == nil && mark.Foreign {
		c.note(fmt.Errorf("%s is not used: %w", name, segment.ErrForeign))
		mark.Close()
		if err := os.Rename(path, path+segment.ForeignSuffix); err != nil {
			return 0, err
		}
		fresh = true
		mark, err = segment.OpenMark(c.options.Dir, name, c.options.Box)
	}
	if err != nil {
		return 0, err
	}
	c.disk.marks[name] = mark
	if mark.Seq == 0 && !fresh {
		return 1, nil
	}
	return mark.Seq, nil
}

// beginCursors lets cursors that are new begin at the end. That must last
// before the first record that comes for them.
func (c *Cache) beginCursors(f *found, positions []uint64) error {
	for i, r := range c.cursors {
		if positions[i] != 0 {
			continue
		}
		positions[i] = f.last + 1
		if err := c.setMark(markName(r.Name), positions[i]); err != nil {
			return err
		}
	}
	return nil
}

// endOrphans finds out up to where records are kept for who is not there any
// more: to the end as it was when that was first seen.
func (c *Cache) endOrphans(f *found, orphans []orphan) (err error) {
	for i := range orphans {
		o := &orphans[i]
		name := endPrefix + o.name
		if o.end, err = c.openMark(name); err != nil {
			return err
		}
		if c.disk.marks[name].Seq == 0 {
			o.end = max(f.last, 1)
			if err := c.setMark(name, o.end); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Cache) setMark(name string, seq uint64) error {
	mark := c.disk.marks[name]
	if err := mark.Move(seq); err != nil {
		return err
	}
	return mark.Sync()
}

// moveMarks makes the cursors' positions last. The mark of one that could not
// read is written in any case: a disk that takes it has a bad sector, any
// other is in trouble as a whole.
func (c *Cache) moveMarks() error {
	if c.disk == nil {
		return nil
	}
	for _, r := range c.cursors {
		mark := c.disk.marks[markName(r.Name)]
		c.mu.Lock()
		position, stuck := r.position, r.unreadable != nil
		c.mu.Unlock()
		if mark.Seq == position && !stuck {
			continue
		}
		if err := mark.Move(position); err != nil {
			return err
		}
		if err := mark.Sync(); err != nil {
			return err
		}
		if stuck {
			c.mu.Lock()
			r.tries++
			c.mu.Unlock()
		}
	}
	return nil
}

// forgetMarks removes the marks of a consumer that is not there any more.
func (c *Cache) forgetMarks(consumer string) error {
	for _, name := range []string{markName(consumer), endPrefix + consumer} {
		c.disk.marks[name].Close()
		delete(c.disk.marks, name)
		if err := os.Remove(filepath.Join(c.options.Dir, name)); err != nil {
			return err
		}
	}
	return storage.SyncDir(c.options.Dir)
}
