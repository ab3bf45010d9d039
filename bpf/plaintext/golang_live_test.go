// SPDX-License-Identifier: Apache-2.0

package plaintext_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/internal/testutil/tlspeer"
)

const goPort = 5063

// goServer answers requests with crypto/tls, in this process.
func goServer(t *testing.T) {
	t.Helper()
	certificate, key := tlspeer.Certificate(t)
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(goPort)), &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() { listener.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for {
					request, err := next(in)
					if err != nil {
						return
					}
					fmt.Fprintf(c, "SIP/2.0 200 OK\r\nCall-ID: %s\r\nCSeq: %s\r\nContent-Length: 0\r\n\r\n", header(request, "Call-ID"), header(request, "CSeq"))
				}
			})
		}
	})
}

// next reads a message, and passes over its body.
func next(in *bufio.Reader) (head string, err error) {
	for !strings.HasSuffix(head, "\r\n\r\n") {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", err
		}
		head += line
	}
	length, err := strconv.Atoi(header(head, "Content-Length"))
	if err != nil {
		return "", err
	}
	_, err = io.CopyN(io.Discard, in, int64(length))
	return head, err
}

func goDial(config *tls.Config) (*tls.Conn, error) {
	return tls.Dial("tcp", net.JoinHostPort(address, strconv.Itoa(goPort)), config)
}

// exchange sends one request of a connection, and wants its response.
func exchange(c *tls.Conn, in *bufio.Reader, connection, n, body int) error {
	request := fmt.Sprintf("OPTIONS sip:server@example.com SIP/2.0\r\nCall-ID: c%d-load@example.com\r\nCSeq: %d OPTIONS\r\nContent-Length: %d\r\n\r\n%s",
		connection, n, body, strings.Repeat("b", body))
	if _, err := io.WriteString(c, request); err != nil {
		return err
	}
	response, err := next(in)
	if err == nil && header(response, "CSeq") != fmt.Sprintf("%d OPTIONS", n) {
		err = fmt.Errorf("the response to %d is %q", n, response)
	}
	return err
}

// Of Go's crypto/tls, too, every message is seen exactly once and on the right
// connection, whatever the version and the cipher, while goroutines change
// threads, their stacks grow and what is garbage is taken away.
func TestGo(t *testing.T) {
	p := startTap(t, goPort)
	goServer(t)
	scout, err := goDial(&tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer scout.Close()
	p.followed(t, os.Getpid())
	const workers, each = 8, 4
	for _, tt := range []struct {
		name   string
		config *tls.Config
		body   int // 0: any
	}{
		{"TLS 1.3", &tls.Config{MinVersion: tls.VersionTLS13}, 0},
		{"TLS 1.3, resumed", &tls.Config{MinVersion: tls.VersionTLS13, ClientSessionCache: tls.NewLRUClientSessionCache(8)}, 0},
		{"TLS 1.2", &tls.Config{MaxVersion: tls.VersionTLS12}, 0},
		{"TLS 1.2, CBC", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}}, 0},
		{"TLS 1.2, ChaCha20", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}}, 0},
		{"many records for a message", &tls.Config{}, 60_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config, connections := tt.config, 50
			if tt.body > 0 {
				connections = 8 // the ring has room for all that they say
			}
			config.InsecureSkipVerify, config.ServerName = true, "server.example.com"
			stop := make(chan struct{})
			var all, garbage sync.WaitGroup
			garbage.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(20 * time.Millisecond):
						runtime.GC() // shrinks stacks, which have to grow again
					}
				}
			})
			for worker := range workers {
				all.Go(func() {
					var open []*tls.Conn
					var in []*bufio.Reader
					for i := worker; i < connections; i += workers {
						c, err := goDial(config)
						if err != nil {
							t.Error(err)
							return
						}
						defer c.Close()
						open, in = append(open, c), append(in, bufio.NewReader(c))
					}
					for n := range each {
						for i, c := range open {
							body := tt.body
							if body == 0 {
								body = rand.IntN(900)
							}
							done := make(chan error) // of a new goroutine, whose stack is small
							go func() { done <- exchange(c, in[i], worker+i*workers, n+1, body) }()
							if err := <-done; err != nil {
								t.Error(err)
								return
							}
						}
					}
				})
			}
			all.Wait()
			close(stop)
			garbage.Wait()
			defer p.locked(func() { clear(p.streams) })
			until(t, func() string { return p.exact(connections, each) })
		})
	}
	p.locked(func() {
		if c := p.binder.Counters(); c.Conflicting != 0 || c.UnboundCalls != 0 || c.Late != 0 || c.LostBytes != 0 {
			t.Errorf("%+v", c)
		}
	})
}
