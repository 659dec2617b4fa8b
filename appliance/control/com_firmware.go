package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"causeway/appliance/com/services"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
	"causeway/appliance/update"
)

// comFirmware is what COM may do with the firmware: what an operator may.
func (c *control) comFirmware(image model.BuildInfo) *services.Firmware {
	return &services.Firmware{
		Store: c.fileStore,
		Fetch: func(p wire.FirmwareStage, by model.Operator, get func(context.Context, int64) (io.ReadCloser, int64, error)) {
			c.update.Fetch(update.Fetch{Name: p.Name, Size: p.Size, SHA256: p.SHA, By: by, Get: get})
		},
		Drop: c.update.Drop,
		Order: func(ctx context.Context, by model.Operator, p wire.FirmwareActivate) error {
			return c.update.Order(ctx, update.Order{
				Operator: by, Rollback: p.Rollback, When: cmp.Or(update.When(p.When), update.Now), At: p.At, Within: p.Within,
				Trial: (p.ConfirmSeconds + 59) / 60,
			})
		},
		Confirm: c.update.Confirm,
		Cancel: func(by model.Operator) error {
			if c.update.Cancel(by) == nil {
				return errors.New("no firmware is to be put on trial later")
			}
			return nil
		},
		Status: func() wire.Firmware { return c.firmwareForCOM(image.Version) },
	}
}

// firmwareForCOM tells how the firmware stands.
func (c *control) firmwareForCOM(version string) wire.Firmware {
	status, slots := c.update.Status(), c.update.Firmware()
	answer := wire.Firmware{Running: version, Slot: slots.Running, Trial: status.Waits}
	if s := status.Staged; s != nil {
		answer.Staged, answer.SHA, answer.Size, answer.Have = s.Name, s.SHA256, s.Size, s.Size
	}
	if f := c.update.Fetching(); f != nil {
		answer.SHA, answer.Have, answer.Size, answer.Problem = f.SHA256, f.Have, f.Size, f.Problem
	}
	if s := status.Scheduled; s != nil {
		answer.Planned, answer.Problem = s.Version+" "+s.When, cmp.Or(answer.Problem, s.Problem)
	}
	if last := slots.Last; last != nil {
		answer.Last = fmt.Sprintf("%s serves", last.Version)
		if !last.Blessed {
			answer.Last = fmt.Sprintf("the box went back from %s: %s", last.Version, last.Reason)
		}
	}
	if w := slots.Writing; w != nil {
		answer.Problem = cmp.Or(answer.Problem, w.Problem)
	}
	return answer
}
