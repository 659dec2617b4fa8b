// Package clock keeps the system clock at the time of NTP servers (RFC 5905;
// NET-9, NET-10, NET-13, COM-20), and keeps the time that licences go by.
//
// In: the servers of the configuration (Apply) or of DHCP (ApplyLeases), their
// answers. Out: the kernel's clock; the drift, the trusted time and init's
// floor for the next boot; alarm conditions; Synchronised for those who check
// certificates; WatchSteps for those who plan by the clock.
//
// # Whom the clock follows
//
// The servers are those of the configuration; without any, those that DHCP
// names; without these, time.google.com. The three are never mixed, nor are
// servers that treat leap seconds differently (NET-13).
//
// Of each server the last eight answers are kept. They say that the true time
// lies within an interval: this clock and the offset of the best answer, give
// or take the root distance. Then:
//
//  1. Majority. If the intervals of more than half of the servers have a point
//     in common, those that reach the points that the most have in common are
//     right, the others are falsetickers. What distance a server claims
//     decides nothing else: at most maxDistance counts.
//  2. Without a majority, servers that say a time before the build time, or
//     an hour before the trusted time, are not heard. Of the rest:
//     - if the clock was right before in this boot, it is the witness: the
//     interval around it is the error that it had, grown by 500 ppm since.
//     Those whose intervals touch it are right if more than half of them agree;
//     if they do not, the preferred server is, if it is one of them;
//     - else the preferred server is right;
//     - else those within an hour of the time set by hand, or failing
//     that of the hardware clock, are right if more than half of them agree;
//     - else, if servers were put aside as too early, those of the rest are
//     right of which more than half agree;
//     - else none is followed, and alarm clock-disagreement tells it.
//  3. Of those that are right, the ones that are farther from the others than
//     any jitters are left out, down to three. The offset is the average of the
//     rest by 1/distance, or that of the preferred server alone.
//
// The saved time of the last boot is no witness, only a bound: nobody knows for
// how long a box without a hardware clock was off, and a server that lost its
// power with it may say just that time. A server that is alone is believed.
//
// # How the clock is corrected
//
// Before the clock was right in this boot, the choice is made once every
// server has answered four times, is absent or was asked eight times, or the
// majority cannot change any more: 6 to 13 s after the first question if the
// servers are sane. Any offset is then stepped. Later, up to 128 ms are slewed
// by the kernel's phase-locked loop, up to 1,000 s are stepped when two answers
// in a row say so, and more is refused (alarm clock-step-refused) until an
// operator types "clock step". The clock is never set to before the time at
// which the image was built.
//
// # Over a leap second
//
// Servers that do not smear announce it, and the kernel inserts it at the end
// of 30 June or 31 December if most of those that are right announce it:
// CLOCK_REALTIME shows 23:59:59 twice. A smearing source (time.google.com)
// announces nothing: from noon to noon UTC around the leap its seconds are
// 1/86,400 longer, at midnight it is half a second from UTC. The clock follows
// it by slewing at 11.6 ppm; there is no step.
package clock
