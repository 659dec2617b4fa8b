package billing

import (
	"errors"
	"fmt"
	"math"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// kilobytes is an argument that is a number of KB.
func kilobytes(name, help string) config.Argument { return number(name, 1, math.MaxInt32, help) }

// cacheCommands declares where records wait until they are delivered.
func cacheCommands() []config.Command {
	return []config.Command{
		setting(inBilling, "cache path", config.Argument{
			Name: "PATH", Type: cacheDirectory, Help: "Directory of the cache, with its slash at the end (default harddisk:/billcache/)",
		}, func(c *model.Config, _ config.Args) *string { return &c.SBC.Billing.Cache.Path }),
		{
			Mode: inBilling, Syntax: "cache alarm [critical CRITICAL] [major MAJOR] [minor MINOR]", No: "cache alarm",
			Args: []config.Argument{
				kilobytes("CRITICAL", "KB that wait (default 976562)"),
				kilobytes("MAJOR", "KB that wait (default 488281)"),
				kilobytes("MINOR", "KB that wait (default 97656)"),
			},
			Help: "Set how much waits in the cache when alarms are raised", Apply: setCacheAlarms,
			Negate: func(c *model.Config, _ config.Args) error {
				cache := &c.SBC.Billing.Cache
				cache.Minor, cache.Major, cache.Critical = 0, 0, 0
				return nil
			},
			Check: checkCacheAlarms,
			Render: func(c *model.Config, _ config.Args) []config.Args {
				cache := &c.SBC.Billing.Cache
				return levels(cache.Minor, cache.Major, cache.Critical)
			},
		},
		setting(inBilling, "cache max-size", number("KB", 0, 4_194_303, "KB that the cache may take; 0: all the room there is (default)"),
			func(c *model.Config, _ config.Args) *int { return &c.SBC.Billing.Cache.MaxSize }),
		either(inBilling, "cache policy", "When records go to the cache: before they are sent (default), or once they cannot be delivered",
			config.Choice{"write-ahead", "on-failure"}, func(c *model.Config, _ config.Args) *bool { return &c.SBC.Billing.Cache.OnFailure }),
	}
}

// levels is a line of alarms, if one is set.
func levels(minor, major, critical int) []config.Args {
	set := func(n int) any {
		if n == 0 {
			return nil
		}
		return n
	}
	return config.When(minor+major+critical > 0, config.Args{"MINOR": set(minor), "MAJOR": set(major), "CRITICAL": set(critical)})
}

// setLevels takes those that a line of alarms names.
func setLevels(a config.Args, minor, major, critical *int) error {
	if !a.Has("MINOR") && !a.Has("MAJOR") && !a.Has("CRITICAL") {
		return errors.New("the line is not complete: minor, major or critical is expected")
	}
	for name, level := range map[string]*int{"MINOR": minor, "MAJOR": major, "CRITICAL": critical} {
		if a.Has(name) {
			*level = a.Int(name)
		}
	}
	return nil
}

func setCacheAlarms(c *model.Config, a config.Args) error {
	cache := &c.SBC.Billing.Cache
	return setLevels(a, &cache.Minor, &cache.Major, &cache.Critical)
}

// checkCacheAlarms holds that the alarms get worse as the cache grows.
func checkCacheAlarms(c *model.Config, _ config.Args) error {
	minor, major, critical := c.SBC.Billing.Cache.Thresholds()
	if minor >= major || major >= critical {
		return fmt.Errorf("minor (%d KB), major (%d KB) and critical (%d KB) do not rise", minor, major, critical)
	}
	return nil
}
