// Package logging carries the box's log to where it is read: to syslog
// servers, to files on harddisk:, to the screen of an operator. It also makes
// the logger that every process writes its lines with, and turns debugging on
// and off in it.
//
// In: the kernel's ring, in which init writes the lines of every service and
// which it serves as init.log; the events of alarms; the configured servers
// (Apply). Out: RFC 5424 messages over UDP (RFC 5426), TCP (RFC 6587) and TLS
// (RFC 5425); harddisk:log/messages; control.logging and <process>.debug for
// the commands show logging, debug and undebug.
//
// A Relay holds it together. The file and every server keep a position in the
// ring of their own, so each goes on where it left off after a cut link, a full
// disk or a restart of the process, as far as the ring reaches back; where it
// does not, a line says how many lines are missing. A server may get a line
// twice, in order all the same; seq in its structured data tells.
// Datagrams count as received unless an ICMP message or the kernel says within
// 5 s that nobody is there; where the name of a UDP server leads is looked up
// every minute.
//
// The files are messages and messages.1 (newer) to messages.7, of 1 MiB at
// most each, flushed every 5 s and with every warning.
package logging
