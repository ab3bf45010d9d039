// SPDX-License-Identifier: Apache-2.0

package live

// Features says in the report what this observation could see.
func Features() map[string]string {
	return map[string]string{
		"tls": "unavailable: connections that carry SIP over TLS are followed by their life cycle, their content is not read",
	}
}
