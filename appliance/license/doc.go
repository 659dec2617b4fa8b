// Package license is the smart licensing agent: it says whether calls may be
// set up and how many a second (L-1 to L-65).
//
// In: the configuration (Apply), operators (Methods), answers of the licence
// server or files with them, the trusted time. Out: the grant for the proxy,
// requests, the licence log (sml.log), alarm conditions.
//
// Everything follows from a few facts that are kept on bootflash: (store.go):
// the answers of the server as they were signed, verified again at every
// start, and how much of the evaluation is consumed. The table of states, events,
// timers and effects is in table.go; package ela has the messages.
package license
