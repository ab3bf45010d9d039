// SPDX-License-Identifier: Apache-2.0

// Package house holds the rules of this repository that a test can keep: which
// package may import which, and what every file must carry.
package house
