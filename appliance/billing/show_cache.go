package billing

import (
	"context"
	"fmt"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// showLocal prints what waits on the box.
func showLocal(ctx context.Context, s exec.Session, a config.Args) error {
	status, err := ask(ctx, s, a)
	if err != nil {
		return err
	}
	m, c := &status.Manager, &status.Cache
	fmt.Fprint(s, "Billing Manager:\n")
	field(s, "Element ID", "%d", m.ElementID)
	field(s, "Open calls", "%d", status.OpenCalls)
	field(s, "Journal", "%s", status.Journal.Directory)
	field(s, "Call events waiting", "%d", status.Journal.NextSeq-status.Journal.FirstSeq)
	fmt.Fprint(s, "\nCache:\n")
	field(s, "Path", "%s", m.CachePath)
	field(s, "Policy", "%s", map[bool]string{false: "write-ahead", true: "on-failure"}[m.OnFailure])
	field(s, "Size", "%d Kilobytes in %d files", c.Bytes>>10, c.Segments)
	field(s, "Records waiting", "%d", c.Records)
	field(s, "Oldest record", "%s", moment(s, c.Oldest))
	field(s, "Records in memory", "%d (%d bytes)", c.MemoryRecords, c.MemoryBytes)
	field(s, "Records refused", "%d", c.Refused)
	field(s, "Records lost", "%d", c.Lost)
	field(s, "Bytes cut off as damaged", "%d", c.RepairedBytes)
	field(s, "Files set aside", "%d", c.Aside)
	field(s, "Fault", "%s", faultOf(c))
	for i := range c.Consumers {
		showConsumer(s, &c.Consumers[i])
	}
	return nil
}

func faultOf(c *model.CacheStatus) string {
	switch {
	case c.Fault != "":
		return c.Fault
	case c.Full:
		return "full: records wait in memory"
	}
	return "none"
}

// showConsumer prints what waits for an instance.
func showConsumer(s exec.Session, c *model.CacheConsumerStatus) {
	state := "delivers"
	switch {
	case c.Orphaned:
		state = "not configured; records are kept until they are cleared"
	case c.Held:
		state = "cannot deliver"
	}
	fmt.Fprintf(s, "\nInstance %s:\n", c.Name)
	field(s, "State", "%s", state)
	showWaiting(s, c)
}

func showWaiting(s exec.Session, c *model.CacheConsumerStatus) {
	field(s, "Cached records", "%d (%d Kilobytes)", c.Records, c.Bytes>>10)
	field(s, "Oldest cached record", "%s", moment(s, c.Oldest))
}

// consumer is what waits for an instance, nil where the cache knows none of
// that name.
func consumer(cache *model.CacheStatus, name string) *model.CacheConsumerStatus {
	all := cache.Consumers
	i := slices.IndexFunc(all, func(c model.CacheConsumerStatus) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// clearCache gives up the records that wait for an instance: they are revenue,
// so it says how many there are and asks.
func clearCache(ctx context.Context, s exec.Session, a config.Args) error {
	status, err := ask(ctx, s, a)
	if err != nil {
		return err
	}
	name := a.Text("INSTANCE")
	waiting := consumer(&status.Cache, name)
	switch {
	case waiting == nil:
		return fmt.Errorf("the cache has nothing of an instance %s", name)
	case waiting.Records == 0:
		return fmt.Errorf("no records wait for %s", name)
	}
	if err := s.Confirm(fmt.Sprintf("Give up %d records that wait for %s?", waiting.Records, name)); err != nil {
		return err
	}
	var cleared struct{ Records int64 }
	if err := s.Call(ctx, "billing", "billing.clear-cache", map[string]string{"instance": name}, &cleared); err != nil {
		return err
	}
	fmt.Fprintf(s, "Records given up: %d\n", cleared.Records)
	return nil
}
