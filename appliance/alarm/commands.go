package alarm

import (
	"causeway/appliance/config"
	"causeway/appliance/model"
)

// percent is the range of a threshold. Below it every box would raise alarms.
var percent = config.Integer{Min: 20, Max: 99}

// Commands declares the commands of this subject.
func Commands() []config.Command {
	return []config.Command{{
		Mode: config.Global, Syntax: "alarm threshold RESOURCE PERCENT", No: "alarm threshold RESOURCE [PERCENT]",
		Args: []config.Argument{
			{Name: "RESOURCE", Type: config.Choice{settingCPU, settingMemory, settingStorage}, Help: "What is used up"},
			{Name: "PERCENT", Type: percent, Help: "Use in percent at which the mildest alarm is raised; the worse ones move along"},
		},
		Help: "Set when an alarm about a resource is raised",
		Apply: func(c *model.Config, a config.Args) error {
			*threshold(&c.Alarms, a.Text("RESOURCE")) = a.Int("PERCENT")
			return nil
		},
		Negate: func(c *model.Config, a config.Args) error {
			*threshold(&c.Alarms, a.Text("RESOURCE")) = 0
			return nil
		},
		Render: renderThresholds,
	}}
}

// threshold is the field of a resource.
func threshold(c *model.Alarms, resource string) *int {
	switch resource {
	case settingCPU:
		return &c.CPU
	case settingMemory:
		return &c.Memory
	}
	return &c.Storage
}

func renderThresholds(c *model.Config, _ config.Args) []config.Args {
	var lines []config.Args
	for _, resource := range []string{settingCPU, settingMemory, settingStorage} {
		if set := *threshold(&c.Alarms, resource); set != 0 {
			lines = append(lines, config.Args{"RESOURCE": resource, "PERCENT": set})
		}
	}
	return lines
}
