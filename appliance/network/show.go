package network

import (
	"cmp"
	"context"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// ExecCommands declares what an operator may ask of the network.
func ExecCommands() []exec.Command {
	return []exec.Command{
		{Syntax: "show interfaces", Help: "LAN1 and LAN2 as the kernel has them", Run: showInterfaces},
	}
}

func showInterfaces(ctx context.Context, s exec.Session, _ config.Args) error {
	var status model.ControlStatus
	if err := s.Call(ctx, "control", "control.status", nil, &status); err != nil {
		return err
	}
	for _, i := range status.Interfaces {
		exec.Field(s, i.LAN+" link", i.Link)
		exec.Field(s, i.LAN+" MAC address", cmp.Or(i.MAC, "none"))
		exec.Field(s, i.LAN+" IP address", cmp.Or(i.Address, "none"))
		exec.Field(s, i.LAN+" problem", cmp.Or(i.Problem, "none"))
	}
	return nil
}
