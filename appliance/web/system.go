package web

import (
	"context"
	"strconv"
	"time"
)

// Parts that are fetched again by themselves: often where numbers move.
const (
	often  = 5 * time.Second
	seldom = 30 * time.Second
)

// systemPages are those of the menu System.
func systemPages() []*page {
	return []*page{
		{
			path: "/system", title: "Overview",
			parts: []part{
				showing{command: "show version", title: "Version"},
				showing{command: "show system", title: "Services, volumes and memory", every: seldom},
				showing{command: "show uptime", title: "Since when it runs"},
				showing{command: "show watchdog", title: "Watchdog"},
				showing{command: "show reload", title: "Scheduled restart", leads: []link{{Path: panelPath, Title: "Control Panel"}}},
			},
		},
		{
			path: "/system/hardware", title: "Hardware",
			parts: []part{
				showing{command: "show environment", title: "Temperatures, fans and voltages", every: seldom},
				showing{command: "show inventory", title: "Inventory", plain: true},
			},
		},
		{
			path: "/system/load", title: "Processors, memory and processes",
			parts: []part{
				showing{command: "show cpu", title: "Processors", every: often, slow: true},
				showing{command: "show memory", title: "Memory", every: often},
				showing{command: "show processes", title: "Processes", every: often},
				showing{command: "show processes cpu", title: "Processes by processor time"},
				showing{command: "show processes memory", title: "Processes by memory"},
			},
		},
		{
			path: "/system/storage", title: "Storage",
			parts: []part{
				showing{command: "show storage", title: "Volumes", every: seldom, leads: []link{{Path: filesPath, Title: "Files"}}},
				doing{command: "mount usb0: [write]", title: "Mount a stick", intro: "“Write” mounts it even if it was not unmounted the last time.", button: "Mount", as: "mount"},
				doing{command: "unmount usb0:", title: "Let a stick be pulled", button: "Unmount", as: "unmount"},
				doing{command: "format VOLUME", title: "Make a volume anew, and empty", button: "Format", danger: true},
			},
		},
		{
			path: "/system/clock", title: "Clock",
			parts: []part{
				showing{command: "show clock [detail]", title: "Time", every: seldom, leads: []link{{Path: "/configure/time", Title: "Time zone and servers"}}},
				showing{command: "show ntp status", title: "How the clock is kept right", every: seldom},
				showing{command: "show ntp associations", title: "Time servers", plain: true},
				doing{command: "clock step", title: "Take the time of the servers although the step was refused", button: "Take it", danger: true},
				doing{command: "clock set TIME DAY MONTH YEAR", title: "Set the clock by hand", button: "Set the clock", danger: true, preset: today},
			},
		},
		{
			path: "/system/security", title: "Security",
			parts: []part{
				showing{command: "show security", title: "What keeps the box from being changed while it runs", plain: true},
				showing{command: "show firewall", title: "Firewall", plain: true},
				showing{command: "show ssh host-key", title: "What the box is known by over SSH"},
			},
		},
	}
}

// today fills in the day that it is on the box.
func today(_ context.Context, v *visit) (map[string]string, error) {
	now := time.Now().In(v.Zone())
	return map[string]string{"DAY": strconv.Itoa(now.Day()), "MONTH": now.Month().String(), "YEAR": strconv.Itoa(now.Year())}, nil
}
