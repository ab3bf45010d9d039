// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"net/http"
	"net/netip"
	"net/url"
)

// trusted lets pass who may see addresses and change things: programs on this
// host, or anyone if the web configuration has checked who that is. A page in a
// browser on this host is somebody else: browsers say where a request is from.
func trusted(authenticated bool, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !authenticated && !fromHere(r) {
			answer(w, http.StatusForbidden, "only this host may ask for that, or who is authenticated by --web.config.file")
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" && !sameOrigin(origin, r.Host) {
			answer(w, http.StatusForbidden, "another site may not ask for that")
			return
		}
		next(w, r)
	})
}

// fromHere says whether the client's address, and the name it has used for the
// agent, are this host's own: a name of another site that resolves to loopback
// is a trick.
func fromHere(r *http.Request) bool {
	client, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !client.Addr().Unmap().IsLoopback() {
		return false
	}
	host := (&url.URL{Host: r.Host}).Hostname()
	if host == "localhost" {
		return true
	}
	named, err := netip.ParseAddr(host)
	return err == nil && named.Unmap().IsLoopback()
}

func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host == host
}
