// SPDX-License-Identifier: Apache-2.0

// Package interop holds no code but tests: real SIP programs, each in a network
// namespace of its own, play against scripted peers and against each other,
// while viaduct watches. Each test asserts facts of docs/interop.md, which it
// names by their number there, so that the page is proven by a run.
//
// Programs of other Debian releases, as Asterisk, run in a root of their own.
//
// The tests need root, the programs that scripts/setup.sh installs, the archive
// for those that scripts/releases.sh fetches, and
// the build tag interop; they take five minutes, almost all of it
// waiting for the programs' timers. `make interop` runs them.
package interop
