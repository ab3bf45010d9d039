// SPDX-License-Identifier: Apache-2.0

package plaintext

import "github.com/cilium/ebpf"

// function is one that is probed, in a library of any version that has it.
type function struct {
	name    string
	program func(*programsObjects) *ebpf.Program
	cookie  programsPlainFunction // to setsMover: a programsPlainMover
	returns bool                  // probed at its return
	with    string                // probed in processes that have this one, too; "": in all
	by      string                // not probed in a library that has this one, by which it does its work
}

func entry(o *programsObjects) *ebpf.Program    { return o.PlainCallEntry }
func result(o *programsObjects) *ebpf.Program   { return o.PlainCallReturn }
func gone(o *programsObjects) *ebpf.Program     { return o.PlainGone }
func writes(o *programsObjects) *ebpf.Program   { return o.PlainWriteEntry }
func reads(o *programsObjects) *ebpf.Program    { return o.PlainReadEntry }
func haveRead(o *programsObjects) *ebpf.Program { return o.PlainReadReturn }
func message(o *programsObjects) *ebpf.Program  { return o.PlainMessageEntry }
func record(o *programsObjects) *ebpf.Program   { return o.PlainRecordEntry }
func recorded(o *programsObjects) *ebpf.Program { return o.PlainRecordReturn }

func setsMover(o *programsObjects) *ebpf.Program { return o.PlainMoverSet }

const (
	tells   = programsPlainFunctionPLAIN_TELLS
	peeks   = programsPlainFunctionPLAIN_PEEKS
	writing = programsPlainFunctionPLAIN_WRITES
	quiet   = programsPlainFunctionPLAIN_QUIET
	hides   = programsPlainFunctionPLAIN_HIDES
	closes  = programsPlainFunctionPLAIN_CLOSES
	flags   = programsPlainFunctionPLAIN_FLAGS
)

// functions of OpenSSL 1.1 to 4, in libssl and libcrypto, whose forks have them
// too; of Mbed TLS; and of GnuTLS, which moves encrypted bytes by libc. A library
// with other names and the same shapes (session, buffer, length, and encrypted
// bytes through a function of its own; or a record that one function encrypts in
// its place) needs a few lines here.
var functions = []function{
	{name: "SSL_read", program: entry},
	{name: "SSL_read", program: result, returns: true},
	{name: "SSL_read_ex", program: entry, cookie: tells},
	{name: "SSL_read_ex", program: result, returns: true},
	{name: "SSL_peek", program: entry, cookie: peeks},
	{name: "SSL_peek", program: result, returns: true},
	{name: "SSL_peek_ex", program: entry, cookie: peeks | tells},
	{name: "SSL_peek_ex", program: result, returns: true},
	{name: "SSL_write", program: entry, cookie: writing},
	{name: "SSL_write", program: result, returns: true},
	{name: "SSL_write_ex", program: entry, cookie: writing | tells, by: "SSL_write_ex2"},
	{name: "SSL_write_ex", program: result, returns: true, by: "SSL_write_ex2"},
	{name: "SSL_write_ex2", program: entry, cookie: writing | tells | flags},
	{name: "SSL_write_ex2", program: result, returns: true},
	{name: "SSL_shutdown", program: entry, cookie: writing | closes},
	{name: "SSL_shutdown", program: result, returns: true},
	{name: "SSL_free", program: gone},
	{name: "SSL_clear", program: gone},
	{name: "BIO_write", program: writes},
	{name: "BIO_read", program: reads},
	{name: "BIO_read", program: haveRead, returns: true},

	{name: "mbedtls_ssl_encrypt_buf", program: record, cookie: writing},
	{name: "mbedtls_ssl_encrypt_buf", program: recorded, returns: true},
	{name: "mbedtls_ssl_decrypt_buf", program: record},
	{name: "mbedtls_ssl_decrypt_buf", program: recorded, returns: true},
	{name: "mbedtls_ssl_session_reset", program: gone},
	{name: "mbedtls_ssl_free", program: gone},

	{name: "gnutls_record_recv", program: entry},
	{name: "gnutls_record_recv", program: result, returns: true},
	{name: "gnutls_record_recv_seq", program: entry},
	{name: "gnutls_record_recv_seq", program: result, returns: true},
	{name: "gnutls_record_recv_packet", program: entry, cookie: hides},
	{name: "gnutls_record_recv_packet", program: result, returns: true},
	{name: "gnutls_record_send2", program: entry, cookie: writing},
	{name: "gnutls_record_send2", program: result, returns: true},
	{name: "gnutls_record_send_range", program: entry, cookie: writing},
	{name: "gnutls_record_send_range", program: result, returns: true},
	{name: "gnutls_record_uncork", program: entry, cookie: writing | quiet},
	{name: "gnutls_record_uncork", program: result, returns: true},
	{name: "gnutls_bye", program: entry, cookie: writing | closes},
	{name: "gnutls_bye", program: result, returns: true},
	{name: "gnutls_deinit", program: gone},
	{name: "gnutls_transport_set_push_function", program: setsMover, cookie: programsPlainFunction(programsPlainMoverMOVER_SENDS)},
	{name: "gnutls_transport_set_vec_push_function", program: setsMover, cookie: programsPlainFunction(programsPlainMoverMOVER_SENDS_PARTS)},
	{name: "gnutls_transport_set_pull_function", program: setsMover, cookie: programsPlainFunction(programsPlainMoverMOVER_RECEIVES)},
	{name: "sendmsg", program: message, with: "gnutls_record_send2"},
	{name: "recv", program: reads, with: "gnutls_record_send2"},
	{name: "recv", program: haveRead, returns: true, with: "gnutls_record_send2"},
}

// begins says whether the function tells of plaintext.
func (f function) begins(o *programsObjects) bool {
	return f.program(o) == o.PlainCallEntry || f.program(o) == o.PlainRecordEntry
}
