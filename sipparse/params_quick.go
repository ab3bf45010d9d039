// SPDX-License-Identifier: Apache-2.0

package sipparse

// quick stores the number behind the equals sign at b[i], up to limit, or none
// if there is no value, and returns where it ends. It returns -1 if the number is
// there already, or takes more to read.
func (n *NumParam) quick(b []byte, i int, hasValue bool, limit uint32) int {
	if n.Present {
		return -1
	}
	if !hasValue {
		*n = NumParam{Present: true}
		return i
	}
	v, k := digits(word(b, i+1))
	if k == 0 || v > limit {
		return -1
	}
	*n = NumParam{Present: true, HasValue: true, Valid: true, N: v}
	return i + 1 + k
}
