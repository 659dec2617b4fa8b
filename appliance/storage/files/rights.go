package files

import (
	"fmt"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// Permits says what rights have against a command of EXEC with these arguments;
// nil: with any. What was saved of the configuration is seen by whoever may see the
// one in force.
func Permits(rights model.Rights, c *exec.Command, args config.Args) error {
	if err := config.PermitsCommand(rights, c.Syntax); err != nil {
		return err
	}
	if c.Reconfigures {
		return config.PermitsAll(rights)
	}
	for _, value := range args { // whatever type of argument takes paths
		if path, err := storage.ParsePath(fmt.Sprint(value)); err == nil && path.Within(Revisions) {
			return config.PermitsCommand(rights, ShowConfiguration)
		}
	}
	return nil
}
