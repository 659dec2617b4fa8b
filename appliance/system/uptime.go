package system

import (
	"context"
	"fmt"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
)

func showUptime(ctx context.Context, s exec.Session, _ config.Args) error {
	h, err := health(ctx, s)
	if err != nil {
		return err
	}
	exec.Field(s, "Uptime", inWords(h.Uptime))
	exec.Field(s, "Started at", exec.Time(s, time.Now().Add(-h.Uptime), time.RFC3339))
	exec.Field(s, "Boot to ready (ms)", h.BootToReady.Milliseconds())
	for _, service := range h.Services {
		if service.PID == 0 {
			exec.Field(s, service.Name, "not running")
		} else {
			exec.Field(s, service.Name, fmt.Sprintf("%s, restarts: %d", inWords(service.Uptime), service.Restarts))
		}
	}
	return nil
}

// inWords is a duration as an operator says it: "2 days, 1 hour, 5 minutes";
// seconds only where it is shorter than a minute.
func inWords(d time.Duration) string {
	const day = 24 * time.Hour
	var words []string
	for _, unit := range []struct {
		name   string
		length time.Duration
	}{{"day", day}, {"hour", time.Hour}, {"minute", time.Minute}} {
		if n := d / unit.length; n > 0 {
			words = append(words, count(int64(n), unit.name))
		}
		d %= unit.length
	}
	if len(words) == 0 {
		return count(seconds(d), "second")
	}
	return strings.Join(words, ", ")
}

// count is a number of things: "1 hour", "2 hours".
func count(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
