// Baseline is the init that the appliance's boot time is held against: it
// prints a line and waits. Nothing can boot a kernel faster and say so.
package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func main() {
	fmt.Println("baseline: up")
	for {
		unix.Pause()
	}
}
