package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"causeway/appliance/model"
)

// protections tells what keeps the box from being changed while it runs, as the
// kernel has it now.
func (m *machine) protections(ctx context.Context) ([]model.Protection, error) {
	defer m.caught()
	list := []model.Protection{
		m.protection("Root file system", "proc/mounts", "read-only", func(text string) bool {
			return slices.ContainsFunc(strings.Split(text, "\n"), func(line string) bool {
				fields := strings.Fields(line) // "rootfs / rootfs ro,nosuid,nodev,size=…"
				return len(fields) > 3 && fields[1] == "/" && slices.Contains(strings.Split(fields[3], ","), "ro")
			})
		}),
		m.protection("Kernel modules", "proc/sys/kernel/modules_disabled", "loading ended", func(text string) bool { return text == "1" }),
		m.protection("Kernel modules from", "sys/module/module/parameters/sig_enforce", "signed only", func(text string) bool { return text == "Y" }),
		m.protection("Kernel memory", "sys/kernel/security/lockdown", "locked down (integrity)", func(text string) bool {
			return strings.Contains(text, "[integrity]") || strings.Contains(text, "[confidentiality]")
		}),
		m.protection("Landlock", "sys/kernel/security/lsm", "active", func(text string) bool {
			return slices.Contains(strings.Split(text, ","), "landlock")
		}),
		m.protection("Secure Boot", strings.TrimPrefix(efiMount.target, "/")+"/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", "on", func(text string) bool {
			return strings.HasSuffix(text, "\x01") // behind the attributes
		}),
	}
	if m.supervisor == nil {
		return list, nil
	}
	services, err := m.supervisor.Status(ctx)
	for _, s := range services {
		list = append(list, m.protection("Service "+s.Name, fmt.Sprintf("proc/%d/status", s.PID), "system calls filtered, no new privileges", func(text string) bool {
			return strings.Contains(text, "\nSeccomp:\t2\n") && strings.Contains(text, "\nNoNewPrivs:\t1\n")
		}))
	}
	return list, err
}

// protection reads one: it holds, and is called so, if the file says so.
func (m *machine) protection(name, file, called string, holds func(text string) bool) model.Protection {
	text, err := os.ReadFile(m.path(file))
	p := model.Protection{Name: name, State: "not " + called, Holds: err == nil && holds(strings.TrimSuffix(string(text), "\n"))}
	if p.Holds {
		p.State = called
	}
	return p
}
