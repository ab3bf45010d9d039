// SPDX-License-Identifier: Apache-2.0

//go:build countwork

package sipparse

var work int

func did(n int) { work += n + 1 }
