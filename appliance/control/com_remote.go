package control

import (
	"context"
	"net"

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
		wire.ToWeb: func(ctx context.Context, conn net.Conn, origin string) error {
			return c.web.ServeConn(ctx, conn, origin)
		},
	}
}
