// Package e2e tests the appliance from outside, with everything real: images
// as they are flashed, machines that boot them, SIP peers that nobody of us
// wrote.
//
// The tests are behind the build tag e2e, so that `go test ./...` stays quick;
// `make test` runs them. They need root (network namespaces), QEMU and SIPp.
// TestSIP… run the proxy on this host, TestBilling… billing beside it;
// TestAccess… log in to control on this host, with OpenSSH, and to boxes;
// TestBoot… boot the boards named by -boards; TestConsole… type on the serial
// port of one, pull its cables, sticks and power; TestNetwork… try its LANs
// between name, time and DHCP servers; TestLicensing… have a licence server;
// TestCOM… have a COM server and control on this host, TestCOMBox… a box;
// TestPages… look at the administration pages of control on this host in Chromium;
// TestImages… flash, update, hang and attack boxes. An image that is not there
// is built. Tests run side by side, as many as -parallel says, but those that time
// what others would slow down. Most boxes go on from one that was saved when it had
// booted: goOn.
package e2e
