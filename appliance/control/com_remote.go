package control

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"causeway/appliance/com/services"
	"causeway/appliance/com/wire"
	"causeway/appliance/console"
	"causeway/appliance/model"
)

// remoteCLI is the service of commands and consoles.
func (c *control) remoteCLI() services.CLI {
	return services.CLI{Shell: func(ctx context.Context, t services.Terminal, login model.Login) error {
		return c.consoles.hold(ctx, console.Settings{
			In: t.In, Out: t.Out, Editing: t.Keys, Silent: t.Silent, Size: t.Size, Login: &login,
		})
	}}
}

// tunnels are the servers of the box that COM can reach.
func (c *control) tunnels() services.Tunnels {
	return services.Tunnels{
		wire.ToSSH: func(ctx context.Context, conn net.Conn, origin string) error {
			return c.ssh.ServeConn(ctx, conn, origin)
		},
		wire.ToWeb: services.Web(c.pages(), c.log),
	}
}

// pages are those of the box: what it counts, and where that is.
func (c *control) pages() http.Handler {
	pages := http.NewServeMux()
	pages.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "Causeway %s, %s: what it counts is at /metrics\n", c.version, c.configuration.InForce().Config.HostName)
	})
	pages.Handle("GET /metrics", c.metrics.Page())
	return pages
}
