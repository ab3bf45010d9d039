// SPDX-License-Identifier: Apache-2.0

package report

// Upkeep is how the keep-alives go that this host owes on a connection: what
// was promised, what was kept, and by whom.
type Upkeep struct {
	PromisedSeconds float64  `json:"promised_seconds"` // longest time between two: as agreed, or by default
	Basis           string   `json:"basis"`            // keep, Flow-Timer, outbound, policy
	MeanSeconds     *float64 `json:"mean_seconds"`     // between two, whoever sent them; null if there were no two
	LongestSeconds  *float64 `json:"longest_seconds"`
	// KernelSeconds is how long the connection idles before the kernel probes it, as
	// viaduct has set it; null if it has not.
	KernelSeconds *float64 `json:"kernel_seconds"`
	By            string   `json:"by"`       // nobody, application, viaduct, both; what the kernel sends does not count
	Answered      *string  `json:"answered"` // yes, partly, no; null if nothing was sent that could be
	// RoundTripSeconds is of the newest keep-alive that was answered.
	RoundTripSeconds *float64 `json:"round_trip_seconds"`
	Method           *string  `json:"method"`  // tcp, crlf, stun; null where viaduct does not send
	Because          string   `json:"because"` // this method
	Cannot           *string  `json:"cannot"`  // what the method does not do, null if it does all
	State            string   `json:"state"`   // fine, failed, stopped
	// ProbesUnanswered are TCP keep-alives that went out since the peer was last
	// heard, when the kernel was last asked; null where it does not send them.
	ProbesUnanswered *uint8 `json:"probes_unanswered"`
	// MappedAddress is how the peer sees the flow, as its Binding responses say.
	MappedAddress *string `json:"mapped_address"`
}
