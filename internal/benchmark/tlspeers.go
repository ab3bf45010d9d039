// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/viaduct-project/viaduct/internal/testutil/tlspeer"
)

// tlsPeers are a client and a server, and the library that is measured.
type tlsPeers struct {
	name       string
	whose      string // CPU is given
	unit       string // what the cost is given for,
	units      int    // and how many of these an exchange has
	clientOnly bool   // the server uses another library
	programs   []string
	server     func(*tlsLoad) *exec.Cmd
	client     func(*tlsLoad) tlsClient
}

// tlsClient is a client to be run.
type tlsClient struct {
	*exec.Cmd
	output func() (string, error) // runs it; says how many were exchanged in what time
}

const bothPeers = "the peers for one message, written and read"

var libsslPeers = tlsPeers{
	name: "libssl", whose: bothPeers, unit: "a call of libssl",
	units:    6, // at each end one SSL_write, one SSL_read that finds nothing yet, and one that finds it
	programs: []string{"tlspeer"}, server: libsslServer,
	client: func(l *tlsLoad) tlsClient {
		return told(exec.Command(l.at("tlspeer"), append([]string{"client", tlsAddress, tlsPort}, l.switches()...)...))
	},
}

var goPeers = tlsPeers{
	name: "Go's crypto/tls", whose: bothPeers, unit: "a record",
	units: 4, // a request and its response, each at both ends
	server: func(l *tlsLoad) *exec.Cmd {
		return exec.Command("/proc/self/exe", goPeer, "server", tlsAddress, tlsPort, l.certificate, l.key)
	},
	client: func(l *tlsLoad) tlsClient {
		return told(exec.Command("/proc/self/exe", append([]string{goPeer, "client", tlsAddress, tlsPort}, l.switches()...)...))
	},
}

var mbedPeers = tlsPeers{
	name: "Mbed TLS", whose: "the client for one message, written or read", unit: "a record",
	units: 2, clientOnly: true, // of the client
	programs: []string{"tlspeer", "mbedpeer"}, server: libsslServer,
	client: func(l *tlsLoad) tlsClient { return timed(l, "mbedpeer", "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256") },
}

var gnuPeers = tlsPeers{
	name: "GnuTLS", whose: mbedPeers.whose, unit: mbedPeers.unit, units: mbedPeers.units, clientOnly: true,
	programs: []string{"tlspeer", "gnutlspeer"}, server: libsslServer,
	client: func(l *tlsLoad) tlsClient { return timed(l, "gnutlspeer", "NORMAL") },
}

// build compiles the programs in C.
func (p *tlsPeers) build(dir string) error {
	for _, name := range p.programs {
		if _, err := tlspeer.Compile(dir, name); err != nil {
			return err
		}
	}
	return nil
}

func (l *tlsLoad) at(program string) string { return filepath.Join(l.dir, program) }

// bodyBytes are those of a request, which with its head is some 700 bytes.
const bodyBytes = 400

func (l *tlsLoad) switches() []string {
	return []string{
		fmt.Sprint("connections=", l.workers), fmt.Sprint("workers=", l.workers), fmt.Sprint("messages=", l.each), fmt.Sprint("size=", bodyBytes),
		fmt.Sprint("wait=", l.wait.Milliseconds()), fmt.Sprint("scout=", tlsLook.Milliseconds()),
	}
}

func libsslServer(l *tlsLoad) *exec.Cmd {
	return exec.Command(l.at("tlspeer"), "server", tlsAddress, tlsPort, l.certificate, l.key)
}

// told is a client that says by itself what it did.
func told(c *exec.Cmd) tlsClient {
	return tlsClient{c, func() (string, error) {
		out, err := c.Output()
		return string(out), err
	}}
}

// timed is a client that begins when its input ends, and is timed from there.
func timed(l *tlsLoad, program, ciphers string) tlsClient {
	c := exec.Command(l.at(program), tlsAddress, tlsPort, fmt.Sprint(l.workers), fmt.Sprint(l.each), fmt.Sprint(bodyBytes), ciphers)
	return tlsClient{c, func() (string, error) {
		hold, release, err := os.Pipe()
		if err != nil {
			return "", err
		}
		c.Stdin = hold
		err = c.Start()
		hold.Close()
		if err != nil {
			release.Close()
			return "", err
		}
		time.Sleep(tlsLook)
		began := time.Now()
		release.Close()
		err = c.Wait()
		return fmt.Sprintf("%d exchanged in %f s", l.exchanges(), time.Since(began).Seconds()), err
	}}
}
