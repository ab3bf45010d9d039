// SPDX-License-Identifier: Apache-2.0

package act

import "fmt"

// Result of one action on one socket.
type Result uint8

const (
	Done Result = iota + 1
	Skipped
	Failed
)

func (r Result) String() string {
	return [...]string{"none", "done", "skipped", "failed"}[r]
}

// Reason why an action was skipped.
type Reason string

const (
	Gone    Reason = "gone"     // the socket, or every process that held it
	Busy    Reason = "busy"     // bytes wait or move, or the caller objects
	NotOurs Reason = "not ours" // the socket connects other addresses than the caller's
	Changed Reason = "changed"  // it is in another state, or with another process; options are not as set
)

// Means by which it was done, or tried.
type Means string

const (
	Shutdown    Means = "shutdown"         // shutdown(2) on a duplicate
	SockDestroy Means = "bpf_sock_destroy" // under the socket's lock
	SockDiag    Means = "sock_diag"        // SOCK_DESTROY over netlink
	Iterator    Means = "bpf_setsockopt"   // under the socket's lock
	Setsockopt  Means = "setsockopt"       // on a duplicate
	Sendmsg     Means = "sendmsg"          // on a duplicate, under the socket's lock if it is TCP's
)

// Outcome of one action on one socket.
type Outcome struct {
	Result Result
	Means  Means
	Reason Reason // if skipped
	Err    error  // if not done: what, on what, and what to do about a failure
}

func (o Outcome) String() string {
	switch o.Result {
	case Done:
		return fmt.Sprintf("done by %s", o.Means)
	case Skipped:
		return fmt.Sprintf("skipped, %s: %v", o.Reason, o.Err)
	}
	return fmt.Sprintf("%s: %v", o.Result, o.Err)
}

func done(m Means) Outcome { return Outcome{Result: Done, Means: m} }

func skipped(m Means, why Reason, format string, args ...any) Outcome {
	return Outcome{Result: Skipped, Means: m, Reason: why, Err: fmt.Errorf(format, args...)}
}

func failed(m Means, format string, args ...any) Outcome {
	return Outcome{Result: Failed, Means: m, Err: fmt.Errorf(format, args...)}
}
