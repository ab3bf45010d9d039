// SPDX-License-Identifier: Apache-2.0

// Package nattest holds no code but tests: a telephone behind a NAT registers
// with Kamailio, both say nothing for longer than the NAT remembers, and then
// somebody calls the telephone. Three network namespaces, nftables and real
// programs show what keep-alives that viaduct sends are worth. The tests need
// root and what scripts/setup.sh installs.
package nattest
