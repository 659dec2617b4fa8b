package layout

import (
	"strings"
	"testing"
)

// TestTable: all partitions of a disk are on whole MiB and follow each other, in
// blocks of either size, and the last leaves room for the copy of the table.
func TestTable(t *testing.T) {
	for _, tt := range []struct {
		layout *Layout
		size   int64
		block  int
		last   uint64 // MiB, of the last partition
	}{
		{&Box, Box.Smallest, 512, 512 - 2 - 96 - 96 - 128},
		{&Box, 16_013_942_784, 512, 15272 - 2 - 96 - 96 - 128}, // sold as 16 GB
		{&Box, 1 << 40, 4096, 1<<20 - 2 - 96 - 96 - 128},
		{&Installer, Installer.Size, 512, 96},
		{&Installer, 64 << 30, 512, 96},
	} {
		table, err := tt.layout.Table(tt.size, tt.block)
		if err != nil {
			t.Fatal(err)
		}
		next := uint64(mib)
		for _, p := range table.Partitions {
			if start := p.Start * uint64(tt.block); start != next {
				t.Errorf("%d octets in blocks of %d: %s starts at %d; want %d", tt.size, tt.block, p.Name, start, next)
			}
			next += p.Size
		}
		if !tt.layout.Made(table, tt.size) || tt.layout.Made(table, tt.size+mib) != (tt.layout == &Installer) {
			t.Errorf("%d octets: Made does not know this table, or takes it for that of a larger disk", tt.size)
		}
		last := table.Partitions[len(table.Partitions)-1]
		if last.Size != tt.last*mib || next > uint64(tt.size)-mib {
			t.Errorf("%d octets: %s has %d MiB and ends at %d; want %d MiB", tt.size, last.Name, last.Size/mib, next, tt.last)
		}
	}
	if _, err := Box.Table(Box.Smallest-1, 512); err == nil || !strings.Contains(err.Error(), "512") {
		t.Errorf("Table of a disk that is too small = %v; want an error with what it takes", err)
	}
}
