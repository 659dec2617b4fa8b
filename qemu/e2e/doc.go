// Package e2e tests the appliance from outside, with everything real: images
// as they are flashed, machines that boot them, SIP peers that nobody of us
// wrote.
//
// The tests are behind the build tag e2e, so that `go test ./...` stays quick;
// `make test` runs them. They need root (network namespaces), QEMU and SIPp.
// TestSIP… run the proxy on this host; TestBoot… boot the boards named by
// -boards. An image that is not there is built.
package e2e
