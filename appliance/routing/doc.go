// Package routing decides where calls go, in CUSP's words: networks, triggers,
// lookup policies, route tables, route groups, server groups, normalisation.
//
// In comes a configuration; Router.Plan compiles it into a Plan, which never
// changes and which all threads of the SIP core use at once. A request outside
// dialogs goes
//
//	pre-normalisation → the first routing trigger whose condition holds
//	→ the steps of its lookup policy, until one finds a route
//	→ server group, route group, host, response or another policy
//	→ post-normalisation, for each target
//
// What no trigger takes goes to the next hop of its network; what finds no
// route is answered 404. Nothing on that way allocates, waits or locks; only
// hits are counted.
//
// Where to read on: commands*.go is what operators type; compile.go makes the
// plan and walk.go goes through it, with trigger.go, lookup.go and group.go for
// its stations; table.go has the indexes that routes are found in; explain.go
// is test route, which walks the same way and takes notes. Packages field,
// normalization and servergroup are parts of this one.
package routing
