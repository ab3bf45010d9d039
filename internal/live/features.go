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
	if pid == 0 {
		return "the process that holds it is not known"
	}
	if why := w.plain.follower.Why(pid); why != "" {
		return why
	}
	return "no record of it was seen within its process's TLS library; it may have said all before the process was followed"
}

// CaptureFeatures says what a capture file shows.
func CaptureFeatures() map[string]string {
	return map[string]string{"tls": "unavailable: a capture file has no keys" + onlyWire}
}
