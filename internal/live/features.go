// SPDX-License-Identifier: Apache-2.0

package live

const onlyWire = "; TLS connections are followed by their life cycle and by what is on the wire, their content is not read"

// features says in the report what this observation could see. Why the content
// of a connection was not read all the same is said of each.
func (w *Watch) features() map[string]string {
	if w.plain == nil {
		return map[string]string{"tls": "unavailable: " + w.noPlain + onlyWire}
	}
	return map[string]string{"tls": "available"}
}

// whyOpaque says why what is inside a process's TLS connections is not read.
func (w *Watch) whyOpaque(pid uint32) string {
	if w.plain == nil {
		return w.noPlain
	}
	why := w.plain.follower.Why(pid)
	switch {
	case why != "":
		return why
	case pid == 0:
		return "the process that holds it is not known"
	case w.plain.follower.Followed(pid):
		return "its process is followed, but no record on the wire told which of its TLS sessions this is; it may have said all before"
	}
	return "its process was not followed while it spoke"
}

// CaptureFeatures says what a capture file shows.
func CaptureFeatures() map[string]string {
	return map[string]string{"tls": "unavailable: a capture file has no keys" + onlyWire}
}
