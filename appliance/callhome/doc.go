// Package callhome tells the vendor of the box: an inventory, telemetry and the
// size of the configuration on the first of every month, and alerts when
// something is wrong (CH-1…45).
//
// In come the configuration, the events of the alarms, the facts that control
// gathers (package facts), and what operators ask for. Out go messages (package
// message) over HTTPS or by e-mail (package transport), kept in a queue until
// they are delivered; and the methods behind show call-home.
//
// The requirements speak of a cluster of call managers and telephones. This box
// is a cluster of one, its own publisher and alert collector (CH-45), and what
// stands for what is:
//
//	server, publisher            the box, by its host name and addresses
//	licence server               the URL of the licence server; none while the licence is kept up by files
//	CM user count                accounts of the box
//	device count and model       neighbours that are configured, by type and transport: adjacencies,
//	                             elements of server groups, SIP networks, listen points, next hops
//	phone user count             the most calls at the same time in the last month
//	CM call activity             calls of the last month by outcome, and the peaks
//	registered device count      elements of server groups that are up
//	upgrade history              versions, and when each first ran
//	locale                       en: there is one language
//	licence MAC                  that of LAN1
//	MP statistics                how busy each processor is
//	disk usage                   the volumes
//	active, inactive partition   the slots, and how full they are
//	firmware, BIOS               what the BIOS's tables tell, or the device tree
//	RAID configuration           the kernel's arrays
//	configuration database table a command of the configuration; its rows are the lines there are of it
package callhome
