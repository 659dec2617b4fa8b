// Package callhome tells the vendor of the box: an inventory, telemetry and the
// size of the configuration on the first of every month, and alerts when
// something is wrong (CH-1…45).
//
// In come the configuration, the events of the alarms, the facts that control
// gathers, and what operators ask for. Out go messages (package message) over
// HTTPS or by e-mail (package transport), kept in a queue until they are
// delivered; and the methods behind show call-home.
package callhome
