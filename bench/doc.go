// SPDX-License-Identifier: Apache-2.0

// Package bench times sipparse beside other SIP parsers and compares what they
// read. It is a module of its own so that the product depends on none of them.
package bench
