// SPDX-License-Identifier: Apache-2.0

package fact

// Families is how many families of rules may keep notes.
const Families = 8

// Notes are what the families of rules write down about one connection, one
// transaction or one peer: each in its own place, in a type of its own. It is
// collected with its owner.
type Notes [Families]any
