// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pion/stun/v2"
	"golang.org/x/sys/unix"
)

// flowOf is an IPv4 flow of loopback, from the program to its peer.
type flowOf struct {
	from, to [4]byte
	port     uint16 // the program's
}

// wire reads the keep-alives of the programs off the loopback device: what the
// peers would see, with the kernel's time of each.
type wire struct {
	fd    int
	is    func(l4 []byte) bool // a keep-alive, with its header of TCP or UDP
	last  map[flowOf]time.Time
	gaps  []time.Duration
	other int // packets that are no keep-alives
	lost  uint32
	start time.Time
	end   time.Time
}

// watchWire begins to receive.
func watchWire(method string) (*wire, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	protocol := uint32(unix.IPPROTO_TCP)
	if method == "stun" {
		protocol = unix.IPPROTO_UDP
	}
	// IPv4 from 127.78.0.0/24, of this protocol; not the second time, as it leaves
	// and arrives at the same device.
	const accept, drop, fromKernel = 128, 0, 0xfffff000 // SKF_AD_OFF
	filter := []unix.SockFilter{
		{Code: 0x28, K: fromKernel + 4}, // ldh packet type: SKF_AD_PKTTYPE
		{Code: 0x15, K: unix.PACKET_OUTGOING, Jt: 6},
		{Code: 0x30, K: 9}, // ldb protocol
		{Code: 0x15, K: protocol, Jf: 4},
		{Code: 0x20, K: 12}, // ld source
		{Code: 0x54, K: 0xffffff00},
		{Code: 0x15, K: 127<<24 | 78<<16, Jf: 1},
		{Code: 0x6, K: accept},
		{Code: 0x6, K: drop},
	}
	lo := &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_IP), Ifindex: 1}
	timeout := unix.NsecToTimeval((200 * time.Millisecond).Nanoseconds())
	err = errors.Join(
		unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout),
		unix.Bind(fd, lo))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("watch the loopback device: %w", err), unix.Close(fd))
	}
	return &wire{fd: fd, is: kinds[method], last: make(map[flowOf]time.Time)}, nil
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

// watch notes keep-alives until end, and stops receiving.
func (w *wire) watch(end time.Time) error {
	defer unix.Close(w.fd)
	w.start, w.end = time.Now(), end
	packet, control := make([]byte, 128), make([]byte, 128)
	for time.Now().Before(end) {
		n, m, _, _, err := unix.Recvmsg(w.fd, packet, control, 0)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read the loopback device: %w", err)
		}
		at, err := stamp(control[:m])
		if err != nil {
			return err
		}
		w.saw(packet[:n], at)
	}
	stats, err := unix.GetsockoptTpacketStats(w.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return err
	}
	w.lost = stats.Drops
	return nil
}

func stamp(control []byte) (time.Time, error) {
	all, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return time.Time{}, err
	}
	for _, m := range all {
		if m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 16 {
			return time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:]))), nil
		}
	}
	return time.Time{}, errors.New("a packet without its time")
}

// saw takes one IPv4 packet of a program's.
func (w *wire) saw(p []byte, at time.Time) {
	if len(p) < 28 || at.Before(w.start) {
		return
	}
	header := int(p[0]&15) * 4
	f := flowOf{from: [4]byte(p[12:]), to: [4]byte(p[16:]), port: binary.BigEndian.Uint16(p[header:])}
	if !w.is(p[header:min(len(p), int(binary.BigEndian.Uint16(p[2:])))]) {
		w.other++
		return
	}
	if last, ok := w.last[f]; ok {
		w.gaps = append(w.gaps, at.Sub(last))
	}
	w.last[f] = at
}

// kinds tell the keep-alives of each method from other packets.
var kinds = map[string]func([]byte) bool{
	"none": func([]byte) bool { return false },
	"tcp":  func(l4 []byte) bool { return len(payload(l4)) == 0 }, // programs have nothing to acknowledge
	"crlf": func(l4 []byte) bool { return string(payload(l4)) == "\r\n\r\n" },
	"stun": func(l4 []byte) bool { return len(l4) == 8+20 && stun.IsMessage(l4[8:]) },
}

func payload(segment []byte) []byte {
	if len(segment) < 20 {
		return segment
	}
	return segment[min(len(segment), int(segment[12]>>4)*4):]
}

// counted says how many there were, and of how many flows.
func (w *wire) counted(flows int, took time.Duration) string {
	n := len(w.gaps) + len(w.last)
	return fmt.Sprintf("%d, %.0f a second, of %d flows; %d other packets, %d not seen by this benchmark", n, float64(n)/took.Seconds(), len(w.last), w.other, w.lost)
}

// intervals says how long it took from one to the next. A flow that had none for
// too long at the beginning or at the end counts as late, too.
func (w *wire) intervals() string {
	late, silent := 0, 0
	const most = promised*time.Second + 500*time.Millisecond
	for _, g := range w.gaps {
		if g > most {
			late++
		}
	}
	for _, at := range w.last {
		if w.end.Sub(at) > most {
			silent++
		}
	}
	if len(w.gaps) == 0 {
		return "none"
	}
	slices.Sort(w.gaps)
	of := func(q float64) float64 { return w.gaps[int(q*float64(len(w.gaps)-1))].Seconds() }
	return fmt.Sprintf("%.1f s at least, p50 %.1f, p99 %.2f, at most %.2f s; %d above 30.5 s; %d flows silent for longer at the end",
		of(0), of(0.5), of(0.99), of(1), late, silent)
}
