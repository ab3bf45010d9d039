// SPDX-License-Identifier: Apache-2.0

package nattest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// recipe is how docs/kamailio-keep.md has Kamailio agree to keep-alives.
func recipe(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/kamailio-keep.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(page), "```kamailio route\n")
	text, _, closed := strings.Cut(text, "```")
	if !found || !closed {
		t.Fatal("docs/kamailio-keep.md has no recipe")
	}
	return text
}

// kamailio is a registrar that relays calls to where a telephone has registered
// from, on its own connection; seconds is what it asks for in keep.
func (w *world) kamailio(seconds int) {
	w.Helper()
	certificate, key := w.certificate()
	listen := ""
	for _, p := range w.phones {
		listen += fmt.Sprintf("listen=udp:%[1]s:5060\nlisten=tcp:%[1]s:5060\nlisten=tls:%[1]s:5061\n", p.server)
	}
	dir := w.files(map[string]string{
		"cert.pem": certificate, "key.pem": key,
		"tls.cfg": "[server:default]\nmethod = TLSv1.2+\nverify_certificate = no\nrequire_certificate = no\ncertificate = cert.pem\nprivate_key = key.pem\n",
		"kamailio.cfg": fmt.Sprintf(`#!KAMAILIO
log_stderror=yes
children=2
tcp_children=2
tcp_connection_lifetime=120
enable_tls=yes
dns=no
rev_dns=no
auto_aliases=no
%[1]sloadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "textopsx.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "nathelper.so"
loadmodule "stun.so"
loadmodule "tls.so"
modparam("tls", "config", "tls.cfg")
modparam("usrloc", "db_mode", 0)
modparam("registrar|nathelper", "received_avp", "$avp(received)")
modparam("tm", "fr_timer", 4000)
request_route {
	force_rport();
%[2]s
	if (is_method("REGISTER")) {
		fix_nated_register();
		save("location");
		exit;
	}
	if (lookup("location")) {
		t_relay();
		exit;
	}
	sl_send_reply("404", "Not Found");
}
`, listen, strings.ReplaceAll(recipe(w.T), "keep=30", fmt.Sprintf("keep=%d", seconds))),
	})
	p := w.start("server", dir, "kamailio", "-f", "kamailio.cfg", "-w", dir, "-DD", "-E", "-Y", dir, "-m", "32", "-M", "4")
	listening := regexp.MustCompile(`(?m)^ *\d+: [0-9A-F]+:13C5 [0-9A-F]+:0000 0A `) // 5061
	w.until(func() string {
		table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", p.Process.Pid))
		if err != nil {
			return err.Error()
		}
		if len(listening.FindAll(table, -1)) < len(w.phones) {
			return "Kamailio does not listen"
		}
		return ""
	})
}

func (w *world) certificate() (certificate, key string) {
	w.Helper()
	pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "server"}, NotAfter: time.Now().Add(time.Hour)}
	for _, p := range w.phones {
		template.IPAddresses = append(template.IPAddresses, p.server.AsSlice())
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, pair.Public(), pair)
	if err != nil {
		w.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(pair)
	if err != nil {
		w.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}
