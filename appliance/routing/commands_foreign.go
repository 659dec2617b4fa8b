package routing

import (
	"errors"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

const (
	queueMode      = "config-sip-queue"
	accountingMode = "config-accounting"
)

// nothing is what a line does that is only understood.
func nothing(*model.Config, config.Args) error { return nil }

// foreignCommands declares lines of CUSP's configurations that have no meaning
// here, so that such a configuration can be pasted as it is. They are not kept.
func foreignCommands() []config.Command {
	without := func(mode config.Mode, words, help string, args ...config.Argument) config.Command {
		c := config.Command{Mode: mode, Syntax: words, No: words, Args: args, Help: help, Apply: nothing, Negate: nothing}
		for _, arg := range args {
			c.Syntax += " " + arg.Name
		}
		return c
	}
	// Whoever turns CUSP's own accounting on must not believe that calls are
	// billed by it.
	accounting := func(words string) config.Command {
		c := without(accountingMode, words, "Not here: calls are billed as sbc, sbe, billing says")
		c.Apply = func(*model.Config, config.Args) error {
			return errors.New("calls are billed as sbc, sbe, billing says; there is no other accounting")
		}
		return c
	}
	queue := without(config.Global, "sip queue", "Without effect: there are no queues between stages",
		config.Argument{Name: "QUEUE", Type: config.Choice{"message", "radius", "request", "response", "st-callback", "timer", "xcl"}, Help: "Which one"})
	queue.Opens, queue.Ends, queue.No = queueMode, "end queue", queue.Syntax
	account := without(config.Global, "accounting", "Without effect: calls are billed as sbc, sbe, billing says")
	account.Opens, account.Ends = accountingMode, "end accounting"
	return []config.Command{
		without(config.Global, "sip logging", "Without effect: see debug sip trace"),
		without(config.Global, "sip peg-counting", "Without effect: calls are always counted", integer("SECONDS", 1, 86400, "Seconds")),
		without(config.Global, "sip tls", "Without effect: TLS is on where a listen point or a server says so"),
		queue,
		without(queueMode, "drop-policy", "Without effect", config.Argument{Name: "POLICY", Type: config.Choice{"head", "tail", "none"}, Help: "What is dropped"}),
		without(queueMode, "low-threshold", "Without effect", integer("PERCENT", 0, 100, "Per cent")),
		without(queueMode, "size", "Without effect", integer("MESSAGES", 1, 1000000, "Messages")),
		without(queueMode, "thread-count", "Without effect", integer("THREADS", 1, 1000, "Threads")),
		account,
		accounting("enable"), accounting("client-side"), accounting("server-side"),
	}
}
