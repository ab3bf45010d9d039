// SPDX-License-Identifier: Apache-2.0

package sipparse

// Method is a SIP request method that has a name of its own here. Methods are
// case-sensitive (RFC 3261 section 7.1): "invite" is MethodUnknown.
type Method uint8

// MethodUnknown stands for every other token; the token itself is in the
// MethodName beside it.
const (
	MethodUnknown Method = iota
	MethodInvite
	MethodAck
	MethodBye
	MethodCancel
	MethodRegister
	MethodOptions
	MethodSubscribe
	MethodNotify
	MethodPublish
	MethodMessage
	MethodInfo
	MethodPrack
	MethodUpdate
	MethodRefer
)

var methodNames = [...]string{
	MethodUnknown: "unknown", MethodInvite: "INVITE", MethodAck: "ACK", MethodBye: "BYE",
	MethodCancel: "CANCEL", MethodRegister: "REGISTER", MethodOptions: "OPTIONS",
	MethodSubscribe: "SUBSCRIBE", MethodNotify: "NOTIFY", MethodPublish: "PUBLISH",
	MethodMessage: "MESSAGE", MethodInfo: "INFO", MethodPrack: "PRACK",
	MethodUpdate: "UPDATE", MethodRefer: "REFER",
}

// String returns the method token, or "unknown".
func (m Method) String() string {
	if int(m) < len(methodNames) {
		return methodNames[m]
	}
	return "unknown"
}

// LookupMethod returns the Method that token names, or MethodUnknown.
func LookupMethod(token []byte) Method {
	switch string(token) {
	case "INVITE":
		return MethodInvite
	case "ACK":
		return MethodAck
	case "BYE":
		return MethodBye
	case "CANCEL":
		return MethodCancel
	case "REGISTER":
		return MethodRegister
	case "OPTIONS":
		return MethodOptions
	case "SUBSCRIBE":
		return MethodSubscribe
	case "NOTIFY":
		return MethodNotify
	case "PUBLISH":
		return MethodPublish
	case "MESSAGE":
		return MethodMessage
	case "INFO":
		return MethodInfo
	case "PRACK":
		return MethodPrack
	case "UPDATE":
		return MethodUpdate
	case "REFER":
		return MethodRefer
	}
	return MethodUnknown
}

// Methods of up to seven letters as words.
var (
	wordInvite  = key8("INVITE")
	wordAck     = key8("ACK")
	wordBye     = key8("BYE")
	wordCancel  = key8("CANCEL")
	wordOptions = key8("OPTIONS")
	wordNotify  = key8("NOTIFY")
	wordPublish = key8("PUBLISH")
	wordMessage = key8("MESSAGE")
	wordInfo    = key8("INFO")
	wordPrack   = key8("PRACK")
	wordUpdate  = key8("UPDATE")
	wordRefer   = key8("REFER")
)

// shortMethod is LookupMethod for a token of up to seven bytes in a word.
func shortMethod(w uint64) Method {
	switch w {
	case wordInvite:
		return MethodInvite
	case wordAck:
		return MethodAck
	case wordBye:
		return MethodBye
	case wordCancel:
		return MethodCancel
	case wordOptions:
		return MethodOptions
	case wordNotify:
		return MethodNotify
	case wordPublish:
		return MethodPublish
	case wordMessage:
		return MethodMessage
	case wordInfo:
		return MethodInfo
	case wordPrack:
		return MethodPrack
	case wordUpdate:
		return MethodUpdate
	case wordRefer:
		return MethodRefer
	}
	return MethodUnknown
}
