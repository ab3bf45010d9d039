// SPDX-License-Identifier: Apache-2.0

package policy

// The words of the file, by value.
var (
	ClassNames   = []string{"negotiated", "unidirectional-ephemeral", "bidirectional-ephemeral", "persistent"}
	ModeNames    = []string{"observe", "dry-run", "enforce"}
	ClosingNames = []string{"gentle", "hard", "never"}
	InjectNames  = []string{"never", "agreed", "always"}
	MethodNames  = []string{"auto", "tcp", "crlf", "stun"}
	Transports   = []string{"tcp", "tls", "udp", "ws", "wss"}
	Initiators   = []string{"any", "local", "remote"}
)

func (c Class) String() string   { return ClassNames[c] }
func (m Mode) String() string    { return ModeNames[m] }
func (c Closing) String() string { return ClosingNames[c] }
func (i Inject) String() string  { return InjectNames[i] }
func (m Method) String() string  { return MethodNames[m] }
