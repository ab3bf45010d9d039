// SPDX-License-Identifier: Apache-2.0

package act

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/bpf/reach"
)

func (h *Hands) hardMeans() Means {
	if h.reach.CanDestroy() == nil {
		return SockDestroy
	}
	return SockDiag
}

// closeHard acts in the network namespace of the socket, where the iterator and
// sock_diag see it.
func (h *Hands) closeHard(t Target, m Means, holders []reach.Holder, still func() error) Outcome {
	if t.NetNS == h.netns || t.NetNS == 0 && h.remains(t) {
		return h.destroy(t, m, still)
	}
	d, out := h.take(t, m, holders)
	if d == nil {
		return out
	}
	ns, err := unix.IoctlRetInt(d.fd, unix.SIOCGSKNS)
	h.drop(d)
	if err != nil {
		return failed(m, "find the network namespace of %s: %w", t, err)
	}
	defer unix.Close(ns)
	if err := within(ns, func() { out = h.destroy(t, m, still) }); err != nil {
		return failed(m, "close %s hard, in another network namespace: %w; give viaduct CAP_SYS_ADMIN, or run it in that namespace", t, err)
	}
	return out
}

func (h *Hands) destroy(t Target, m Means, still func() error) Outcome {
	before, there, err := h.reach.Look(t.Socket)
	if err != nil {
		return failed(m, "close %s hard: %w", t, err)
	}
	if !there {
		return skipped(m, Gone, "%s: it is not open in its network namespace", t)
	}
	if out := judge(t, m, before); out.Result != 0 {
		return out
	}
	if err := still(); err != nil {
		return skipped(m, Busy, "%s: %w", t, err)
	}
	if err := h.marks.Ending(t.Socket); err != nil {
		return failed(m, "close %s hard: %w", t, err)
	}
	defer h.marks.Ending(0)
	if m == SockDiag {
		return h.destroyByDiag(t, before)
	}
	_, there, err = h.reach.Destroy(t.Socket, before)
	switch {
	case errors.Is(err, unix.EBUSY):
		return busy(t, m)
	case errors.Is(err, unix.EBADFD), err == nil && !there:
		return skipped(m, Gone, "%s: closed at this moment", t)
	case err != nil:
		return failed(m, "close %s hard: %w", t, err)
	}
	return done(m)
}

// destroyByDiag cannot check under the socket's lock; it looks once more.
func (h *Hands) destroyByDiag(t Target, before reach.Look) Outcome {
	now, there, err := h.reach.Look(t.Socket)
	switch {
	case err != nil:
		return failed(SockDiag, "close %s hard: %w", t, err)
	case !there:
		return skipped(SockDiag, Gone, "%s: closed at this moment", t)
	case moved(before, now):
		return busy(t, SockDiag)
	}
	if out := judge(t, SockDiag, now); out.Result != 0 {
		return out
	}
	switch err := diagDestroy(t); {
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT) && h.remains(t):
		return failed(SockDiag, "close %s hard: %w: this kernel has neither bpf_sock_destroy (6.5) nor CONFIG_INET_DIAG_DESTROY with tcp_diag; close gently, or upgrade the kernel", t, err)
	case errors.Is(err, unix.EPERM):
		return failed(SockDiag, "close %s hard: %w; give viaduct CAP_NET_ADMIN", t, err)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ESTALE):
		return skipped(SockDiag, Gone, "%s: closed at this moment", t)
	case err != nil:
		return failed(SockDiag, "close %s hard: %w", t, err)
	}
	return done(SockDiag)
}

func (h *Hands) remains(t Target) bool {
	_, there, err := h.reach.Look(t.Socket)
	return there && err == nil
}
