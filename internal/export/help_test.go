// SPDX-License-Identifier: Apache-2.0

package export

import "net/netip"

func address(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
