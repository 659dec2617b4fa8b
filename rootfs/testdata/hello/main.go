// Command hello is an init for tests: it mounts what it needs, loads the
// modules of the table as told by the devices, says what it sees and powers off.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"causeway/board/modules"
)

func main() {
	if err := run(); err != nil {
		fmt.Println("hello: error:", err)
	}
	fmt.Println("hello: end")
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func run() error {
	for _, mount := range [][2]string{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}} {
		if err := unix.Mount(mount[0], mount[1], mount[0], 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", mount[1], err)
		}
	}
	file, err := os.Open(modules.File)
	if err != nil {
		return err
	}
	table, err := modules.Read(file)
	file.Close()
	if err != nil {
		return err
	}
	loaded := map[string]bool{}
	load := func(names []string) {
		order, missing := table.Closure(names...)
		if len(missing) > 0 {
			fmt.Println("hello: missing", missing)
		}
		for _, name := range order {
			if !loaded[name] {
				loaded[name] = true
				if err := insert(table.Modules[name].Path); err != nil {
					fmt.Printf("hello: module %s: %v\n", name, err)
				}
			}
		}
	}
	load(table.Always)
	for round := 0; round < 4; round++ { // a bus driver brings devices, they bring others
		names, err := filepath.Glob("/sys/bus/*/devices/*/modalias")
		if err != nil {
			return err
		}
		for _, name := range names {
			alias, err := os.ReadFile(name)
			if err == nil {
				load(table.ForDevice(strings.TrimSpace(string(alias))))
			}
		}
	}
	fmt.Println("hello: loaded", len(loaded))
	for _, pattern := range []string{"/sys/class/net/*", "/sys/class/block/*", "/sys/class/watchdog/*", "/sys/class/rtc/*"} {
		found, err := filepath.Glob(pattern)
		fmt.Println("hello: see", found, err)
	}
	command, err := os.ReadFile("/proc/cmdline")
	fmt.Printf("hello: cmdline %s %v\n", command, err)
	return err
}

func insert(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return unix.FinitModule(int(file.Fd()), "", 0)
}
