// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"time"
)

// secure puts TLS on both sockets of a pair.
func (p *pair) secure(ctx context.Context) error {
	certificate, err := selfSigned()
	if err != nil {
		return err
	}
	// The certificate is nobody's: the guest talks to itself.
	client := tls.Client(p.caller, &tls.Config{InsecureSkipVerify: true})
	server := tls.Server(p.called, &tls.Config{Certificates: []tls.Certificate{certificate}})
	served := make(chan error, 1)
	go func() { served <- server.HandshakeContext(ctx) }()
	if err := errors.Join(client.HandshakeContext(ctx), <-served); err != nil {
		return err
	}
	p.caller, p.called = client, server
	return nil
}

func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
