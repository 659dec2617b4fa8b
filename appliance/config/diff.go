package config

import (
	"slices"
	"strings"
)

// Diff compares two configuration texts: lines that only before has as "- …",
// those that only after has as "+ …", below the opening lines of their modes.
// A line that moved among its neighbours is removed and added. It is empty
// when the texts say the same.
func Diff(before, after string) string {
	var text strings.Builder
	writeDiff(&text, outlineForDiff(before), outlineForDiff(after), "")
	return text.String()
}

// outlineForDiff is the outline of a text with the lines that are kept aside.
func outlineForDiff(text string) outline {
	tree := outlineOf(scan(text))
	for _, line := range Aside(text) {
		tree = append(tree, &entry{text: asideMark + line})
	}
	return tree
}

func writeDiff(text *strings.Builder, before, after outline, indent string) {
	write := func(mark string, o outline) {
		for _, line := range o.lines(0) {
			text.WriteString(mark + indent + line + "\n")
		}
	}
	i, j := 0, 0
	for _, pair := range unmoved(before, after) {
		write("- ", before[i:pair[0]])
		write("+ ", after[j:pair[1]])
		i, j = pair[0]+1, pair[1]+1
		var below strings.Builder
		writeDiff(&below, before[pair[0]].below, after[pair[1]].below, indent+" ")
		if below.Len() > 0 {
			text.WriteString("  " + indent + before[pair[0]].text + "\n" + below.String())
		}
	}
	write("- ", before[i:])
	write("+ ", after[j:])
}

// unmoved pairs the entries of a and b that have the same line and the same
// order in both: the longest such list, by patience sorting.
func unmoved(a, b outline) [][2]int {
	where := make(map[string][]int) // of each line in a
	for i, e := range a {
		where[e.text] = append(where[e.text], i)
	}
	type card struct {
		pair   [2]int
		before *card
	}
	var piles []*card // their top cards, whose places in a ascend
	for j, e := range b {
		if len(where[e.text]) == 0 {
			continue
		}
		i := where[e.text][0]
		where[e.text] = where[e.text][1:]
		pile, _ := slices.BinarySearchFunc(piles, i, func(c *card, i int) int { return c.pair[0] - i })
		c := &card{pair: [2]int{i, j}}
		if pile > 0 {
			c.before = piles[pile-1]
		}
		if pile == len(piles) {
			piles = append(piles, nil)
		}
		piles[pile] = c
	}
	var pairs [][2]int
	if len(piles) > 0 {
		for c := piles[len(piles)-1]; c != nil; c = c.before {
			pairs = append(pairs, c.pair)
		}
	}
	slices.Reverse(pairs)
	return pairs
}
