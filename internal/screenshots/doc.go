// SPDX-License-Identifier: Apache-2.0

// Package screenshots makes the pictures in docs/images of the page, the report
// and the terminal, of a proxy's ten minutes that are made up; `make
// screenshots` does it.
package screenshots
