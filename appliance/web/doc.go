// Package web is the administration pages: the menu of CUSP's (L-36) over HTTPS,
// and through the tunnel of COM.
//
// A page is a door to the console, not a second way to do things. What it shows is
// what show commands print, or what the processes of the box answer; what it changes
// are lines of the configuration, brought into the candidate as a session does; what
// it does are EXEC commands. The fields of its forms come from the declarations of
// the commands, with range, help and default, so nothing can be set here that the
// console cannot.
//
// In: requests of browsers, and the configuration (Apply). Out: HTML, CSV and files,
// and the calls to the processes that the operator's forms make, each with the rights
// of who has logged in. All works without JavaScript; with it what is live is fetched
// again by itself.
package web
