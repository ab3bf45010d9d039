// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"net/netip"
	"net/url"
)

// guard lets pass who may see addresses and change things: programs on this
// host, or anyone whom the web configuration knows. A page of another site in a
// browser is somebody else, wherever the browser runs.
func guard(known func(*http.Request) bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		switch {
		case !fromHere(r) && !known(r):
			answer(w, http.StatusForbidden, "only this host may ask for that, or who is authenticated by --web.config.file")
		case fromAnotherSite(r):
			answer(w, http.StatusForbidden, "another site may not ask for that")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// passedOn are what proxies write of those whom they ask for. A proxy on this
// host that adds one speaks for somebody else; whom it names proves nothing.
var passedOn = []string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip"}

// fromHere says whether the client's address, and the name it has used for the
// agent, are this host's own: a name of another site that resolves to loopback
// is a trick (DNS rebinding).
func fromHere(r *http.Request) bool {
	client, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !client.Addr().Unmap().IsLoopback() {
		return false
	}
	for _, name := range passedOn {
		if _, there := r.Header[name]; there {
			return false
		}
	}
	host := (&url.URL{Host: r.Host}).Hostname()
	if host == "localhost" {
		return true
	}
	named, err := netip.ParseAddr(host)
	return err == nil && named.Unmap().IsLoopback()
}

// fromAnotherSite says whether a browser has sent r for a page that is not the
// agent's. Browsers say so themselves, and let no page change what they say
// (W3C Fetch Metadata; older ones have only Origin). A link to here is none
// of that: somebody clicked, and the other page learns nothing.
func fromAnotherSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
		origin := r.Header.Get("Origin")
		return origin != "" && !sameOrigin(origin, r.Host)
	}
	followed := r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
	return r.Method != http.MethodGet || !followed
}

func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host == host
}
