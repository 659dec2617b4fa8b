package board

import (
	"fmt"
	"strings"
)

// boards are all that are known, in the order they are listed to people.
var boards = []*Board{&x86_64, &arm64}

// Find gives the board of that name; the error names those there are.
func Find(name string) (*Board, error) {
	for _, b := range boards {
		if b.Name == name {
			return b, nil
		}
	}
	return nil, fmt.Errorf("there is no board %q, only %s", name, strings.Join(Names(), ", "))
}

// Names are the names of all boards.
func Names() []string {
	var names []string
	for _, b := range boards {
		names = append(names, b.Name)
	}
	return names
}
