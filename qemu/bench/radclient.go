package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"causeway/qemu/lab"
)

// radclientLimit is when radclient is given up: it was too many for the server
// and waits for one answer after the other.
const radclientLimit = 40 * time.Second

// write writes requests to a file as radclient reads them.
func (r *billingRun) write(requests []lab.Stored) (file string, err error) {
	var text strings.Builder
	for _, request := range requests {
		text.WriteString("Acct-Status-Type = Interim-Update\nAcct-Session-Id = \"" + request.Get("Acct-Session-Id") + "\"\nNAS-IP-Address = 127.0.0.1\n")
		for _, a := range request.Attributes {
			if strings.HasPrefix(a.Name, "Attr-26.") {
				text.WriteString(a.Name + " += " + a.Value + "\n")
			}
		}
		text.WriteString("\n")
	}
	file = filepath.Join(r.dir, "requests")
	return file, os.WriteFile(file, []byte(text.String()), 0o600)
}

// radclient sends the requests of a file, with so many event messages, with
// FreeRADIUS's own client.
func (r *billingRun) radclient(ctx context.Context, file string, messages, parallel int) (rate float64, err error) {
	keeper, err := r.keeper(ctx, fmt.Sprintf("radclient-%d", parallel))
	if err != nil {
		return 0, err
	}
	defer keeper.Kill()
	sending, cancel := context.WithTimeout(ctx, radclientLimit)
	defer cancel()
	took, err := keeper.storing(sending, func() error { return keeper.Send(sending, file, parallel) })
	switch {
	case ctx.Err() == nil && sending.Err() != nil:
		return 0, nil
	case err != nil:
		return 0, err
	}
	switch _, stored, err := keeper.stored(); {
	case err != nil:
		return 0, err
	case stored < messages:
		return 0, fmt.Errorf("FreeRADIUS has stored %d event messages of radclient's %d", stored, messages)
	}
	return float64(messages) / took.Seconds(), nil
}

// benchKeeper is FreeRADIUS with its files.
type benchKeeper struct {
	*lab.RADIUS
	file string // that it stores in
}

func (r *billingRun) keeper(ctx context.Context, name string) (*benchKeeper, error) {
	dir := filepath.Join(r.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	keeper, err := r.where.RADIUS(r.Peers, dir, lab.RADIUS{At: billingKeeper, Secret: billingSecret})
	if err != nil {
		return nil, err
	}
	return &benchKeeper{keeper, filepath.Join(dir, lab.DetailFile)}, keeper.Start(ctx)
}

// storing runs send and says how long it took from the first record that was
// stored to the last one.
func (k *benchKeeper) storing(ctx context.Context, send func() error) (time.Duration, error) {
	first := make(chan time.Time, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(k.file); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		first <- time.Now()
	}()
	if err := send(); err != nil {
		return 0, err
	}
	info, err := os.Stat(k.file)
	if err != nil {
		return 0, fmt.Errorf("look at what FreeRADIUS has stored: %w", err)
	}
	return info.ModTime().Sub(<-first), nil
}

// stored gives its requests, and how many event messages are in them.
func (k *benchKeeper) stored() (requests []lab.Stored, messages int, err error) {
	if requests, err = k.Stored(); err != nil {
		return nil, 0, err
	}
	for _, request := range requests {
		some, err := request.Messages()
		if err != nil {
			return nil, 0, err
		}
		messages += len(some)
	}
	return requests, messages, nil
}
