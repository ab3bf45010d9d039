// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/internal/testutil/release"
)

// certificate writes a self-signed certificate and its key into a directory.
func (l *lab) certificate() (dir string, pair tls.Certificate) {
	l.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		l.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: l.b.addr.String()}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{l.b.addr.AsSlice()}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		l.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		l.Fatal(err)
	}
	dir, _ = l.file("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600); err != nil {
		l.Fatal(err)
	}
	return dir, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// listenTLS takes connections on port 5061, and reads what is inside.
func (p *peer) listenTLS() {
	p.Helper()
	_, pair := p.certificate()
	p.in(p.T, func() {
		var config net.ListenConfig
		config.SetMultipathTCP(false)
		listener, err := config.Listen(context.Background(), "tcp", netip.AddrPortFrom(p.addr, 5061).String())
		if err != nil {
			p.Fatal(err)
		}
		p.Cleanup(func() { listener.Close() })
		go func() {
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				p.stream(tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}}))
			}
		}()
	})
}

// dialTLS connects, and trusts everybody.
func (p *peer) dialTLS(server netip.AddrPort) (f *flow) {
	p.Helper()
	p.in(p.T, func() {
		c, err := net.Dial("tcp", server.String())
		if err != nil {
			p.Fatal(err)
		}
		f = p.stream(tls.Client(c, &tls.Config{InsecureSkipVerify: true}))
	})
	return f
}

// seesInside waits until viaduct reports what is inside the phone's TLS
// connection. It had just begun, so its first request
// may have been sent before it was probed; its pings came later.
func (l *lab) seesInside(f *flow) {
	l.Helper()
	l.until(patience, func() string {
		c := l.far(f.remote)
		switch {
		case c == nil:
			return "viaduct does not report it"
		case c.Transport != "tls":
			l.Fatalf("viaduct says %s", c.Transport)
		case c.TLS == nil || c.TLS.Plaintext != "seen" || c.Keepalives.PingsSent == 0 || c.Keepalives.ToldByLength:
			return "viaduct does not see inside"
		}
		return ""
	})
}

func TestBaresipTLS(t *testing.T) {
	l := newLab(t)
	p := l.registrar(true, agreed("Flow-Timer: 20")...)
	p.listenTLS()
	l.baresip("tls", outbound)
	first := p.registered()
	p.await(time.Minute, 2, "pings", is(ping))
	all := append([]item{first}, p.all(is(ping))...)
	l.proves("T1", within(gaps(all), 16, 20), "pings inside TLS: %s", figures(gaps(all)))
	took := p.pongTimes(first.flow, 5)
	l.proves("T2", within(took, 0, 0), "pong inside TLS after %s", milliseconds(took))
	l.seesInside(first.flow)
}

func TestLinphoneTLS(t *testing.T) {
	l := newLab(t)
	p := l.registrar(true)
	p.listenTLS()
	l.linphone("tls", "keepalive_period=5000\nverify_server_certs=0\nverify_server_cn=0")
	first := p.registered()
	l.proves("T3", !lacks(first.via(), "alias"), "Via: %s", first.via())
	p.await(time.Minute, 4, "pings", is(ping))
	all := append([]item{first}, p.all(is(ping))...)
	l.proves("T4", within(gaps(all), 5, 5), "pings inside TLS, keepalive_period=5000: %s", figures(gaps(all)))
	l.seesInside(first.flow)
}

// kamailioTLS is a connection to a Kamailio that closes idle ones over TCP
// after 5 s.
func kamailioTLS(t *testing.T, r *release.Release, more string) (l *lab, p *peer, f *flow) {
	l = newLab(t)
	l.release = r
	dir, _ := l.certificate()
	l.kamailio(fmt.Sprintf("tcp_connection_lifetime=5\nenable_tls=yes\nlisten=tls:%s:5061", l.b.addr), fmt.Sprintf(`loadmodule "tls.so"
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "certificate", "%[1]s/cert.pem")
modparam("tls", "private_key", "%[1]s/key.pem")
`, dir)+more, "")
	p = l.newPeer(l.a, nil)
	f = p.dialTLS(netip.AddrPortFrom(l.b.addr, 5061))
	p.ask(f, request("OPTIONS", "sip:probe@example.com", "tls", f.local, ""))
	return l, p, f
}

func TestKamailioTLS(t *testing.T) {
	l, p, f := kamailioTLS(t, nil, "")
	took := p.pongTimes(f, 20)
	l.proves("T5", within(took, 0, 0), "pong inside TLS after %s", milliseconds(took))
	p.none(30*time.Second, 0, f.on(is(ended, aborted)))
	l.proves("T6", true, "open after 30 s with tcp_connection_lifetime=5")
}

func TestKamailioTLSTimeout(t *testing.T) {
	l, p, f := kamailioTLS(t, nil, `modparam("tls", "connection_timeout", 5)`)
	last := p.all(f.on(is(sip)))[0].at
	end := p.await(patience, 1, "end", f.on(is(ended, aborted)))
	after := end.at.Sub(last).Seconds()
	f.conn.Close()
	l.until(patience, func() string {
		if c := l.far(f.local); c == nil || c.Close == nil || c.Close.By != "remote" || *c.Close.How != "fin" || c.Transport != "tls" || *c.Close.IdleSeconds < 5 {
			return "viaduct has not seen Kamailio close"
		}
		return ""
	})
	l.proves("T7", end.kind == ended && after > 5 && after < 13, "%s %.1f s after the response", end.kind, after)
}
