// SPDX-License-Identifier: Apache-2.0

package tlswire

import (
	"crypto/x509"
	"strings"
)

// Names are the identities in a certificate.
type Names struct {
	URIs   []string // subjectAltName, scheme sip
	DNS    []string // subjectAltName
	Common string   // of the subject
	alts   bool     // there is a subjectAltName
}

// namesMax bounds what is kept of a certificate.
const namesMax = 32

// readNames returns nil if the certificate cannot be read.
func readNames(der []byte) *Names {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	n := &Names{}
	for _, e := range c.Extensions {
		n.alts = n.alts || e.Id.Equal([]int{2, 5, 29, 17})
	}
	for _, u := range c.URIs {
		s := u.String()
		if strings.EqualFold(u.Scheme, "sip") && len(n.URIs) < namesMax && printable(s) {
			n.URIs = append(n.URIs, s)
		}
	}
	for _, d := range c.DNSNames {
		if len(n.DNS) < namesMax && printable(d) {
			n.DNS = append(n.DNS, d)
		}
	}
	if printable(c.Subject.CommonName) {
		n.Common = c.Subject.CommonName
	}
	return n
}

// printable says that s may be a name of a domain, or a URI that holds one. No
// other is kept: it would match nothing, and might act on a terminal.
func printable(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// Identities are the domains that the certificate proves to speak for: its sip
// URIs without a user, or else its DNS names, or else, if there is no
// subjectAltName at all, its common name (RFC 5922 section 7.1).
func (n *Names) Identities() []string {
	var domains []string
	for _, u := range n.URIs {
		host := u[len("sip:"):]
		if !strings.ContainsAny(host, "@;?[") {
			if i := strings.LastIndexByte(host, ':'); i >= 0 {
				host = host[:i]
			}
			domains = append(domains, host)
		}
	}
	switch {
	case len(n.URIs) > 0:
		return domains
	case len(n.DNS) > 0:
		return n.DNS
	case n.alts || n.Common == "":
		return nil
	}
	return []string{n.Common}
}

// Cover says that the certificate speaks for the domain: whole names are
// compared, no wildcard matches (RFC 5922 section 7.2).
func (n *Names) Cover(domain string) bool {
	for _, d := range n.Identities() {
		if strings.EqualFold(strings.TrimSuffix(d, "."), strings.TrimSuffix(domain, ".")) {
			return true
		}
	}
	return false
}

// All lists the names as a report shows them.
func (n *Names) All() []string {
	if n == nil {
		return nil
	}
	all := append(append([]string{}, n.URIs...), n.DNS...)
	if len(all) == 0 && n.Common != "" {
		all = append(all, "CN="+n.Common)
	}
	return all
}
