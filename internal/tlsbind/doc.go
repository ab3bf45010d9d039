// SPDX-License-Identifier: Apache-2.0

// Package tlsbind finds out which socket the plaintext of a TLS session
// belongs to, and makes it the stream of that socket's connection.
//
// A probe in a TLS library sees which session object a process hands bytes to,
// and the first bytes of an encrypted record ("fragment") that the library wrote
// or read while it did so. The packet programs see the same record go by on a
// socket. Encrypted bytes are as good as random: two records with the same 16
// bytes are the same record. That is the only evidence that binds a session to a
// socket; it needs no order of calls, no file descriptor, no process that owns
// the socket, so it holds for libraries that write into memory, for sessions
// that several processes share, for sockets that are handed from one process to
// another, and for sessions older than the observation. Each later fragment
// confirms the binding, or contradicts it.
//
// What cannot be bound is counted and dropped, never attached to a guess.
// Package tlsbind is pure: no clock, no I/O. Its types are not for concurrent use.
package tlsbind
