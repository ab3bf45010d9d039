// SPDX-License-Identifier: Apache-2.0

// Package cpeers parses SIP messages with parsers written in C, so that they
// can be timed in the same run as sipparse. Each function parses the message
// n times inside one call, which keeps the cost of crossing from Go to C out of
// the figures, and returns how many Via values it saw the last time.
//
// It needs cgo, the build tag cpeers, and Debian's libsofia-sip-ua-dev,
// libosip2-dev and libre-dev.
package cpeers
