// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"os"

	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v3"
)

// knows returns whether the web configuration in the file has made sure who
// sent a request that it let through: by a password, or by a certificate of an
// authority that the file names. As the toolkit does, it reads the file anew
// for each request, since users may be taken out of it at any time; and it wants
// the proof in the request, so that nothing rests on the file alone.
func knows(file string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		if file == "" {
			return false
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return false
		}
		var c web.Config
		if err := yaml.Unmarshal(text, &c); err != nil {
			return false
		}
		if user, _, ok := r.BasicAuth(); ok {
			if _, there := c.Users[user]; there {
				return true // the toolkit has checked the password
			}
		}
		// Without an authority of its own the toolkit accepts those of the
		// system: whoever has bought a certificate.
		named := c.TLSConfig.ClientCAs != "" || c.TLSConfig.ClientCAsText != ""
		return named && r.TLS != nil && len(r.TLS.VerifiedChains) > 0
	}
}
