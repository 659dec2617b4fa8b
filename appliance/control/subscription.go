package control

import (
	"path/filepath"
	"slices"

	"causeway/appliance/alarm"
	"causeway/appliance/com/subscription"
	"causeway/appliance/config"
	"causeway/appliance/model"
)

// buildSubscription makes what is subscribed. The licence agent asks it for what
// calls may do, so it is there first.
func (c *control) buildSubscription(key *config.BoxKey) {
	c.subscription = subscription.New(subscription.Options{
		File:    filepath.Join(c.options.COMDir, "subscription"),
		Copy:    filepath.Join(c.options.ConfigDir, "subscription-state"),
		Key:     key.Derive("subscription state"),
		Clock:   c.trusted,
		Changed: func() { c.proxy.wake() },
		Log:     c.log,
	})
}

// linkConditions are what should not be of the link.
func (c *control) linkConditions() []model.Condition {
	return onceADay(c.com.Conditions(), c.subscription.InGrace())
}

// onceADay leaves out that the link is down where the subscription tells it: by
// one alarm a day, and no other (COM-22).
func onceADay(found []model.Condition, inGrace bool) []model.Condition {
	return slices.DeleteFunc(found, func(one model.Condition) bool { return inGrace && one.Name == alarm.COMLinkDown })
}
