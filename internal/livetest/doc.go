// SPDX-License-Identifier: Apache-2.0

// Package livetest holds no code but tests: the probes and the core together,
// on the kernel that runs them, watch real SIP programs and scripted peers, and
// what is reported is compared with what the test itself did.
//
// The tests need root, sipp, kamailio and iproute2. They make their own network
// namespaces and look only at their own addresses, so that other watchers and
// other SIP traffic on the host do not disturb them.
package livetest
