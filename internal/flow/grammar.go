// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"fmt"
	"slices"
	"strings"
)

// What may stand behind each statement: "key=" takes a value, others do not,
// ";" is any number of Via parameters.
var (
	connArgs    = []string{"local=", "remote=", "process=", "pid=", "midlife", "noopen", "refused", "timeout", "unreachable"}
	tlsArgs     = []string{"version=", "sni=", "server=", "client=", "resumed"} // beside those
	udpArgs     = []string{"local=", "remote=", "process=", "pid="}
	listenArgs  = []string{"process=", "pid="}
	requestArgs = []string{"call=", "cseq=", "branch=", "from=", "to=", "as=", "re=", "uri=", "user=", "proto=", "sentby=", "split=", "size=", "seen=", ";"}
	answerArgs  = []string{"call=", "cseq=", "branch=", "from=", "to=", "as=", "re=", "proto=", "sentby=", "split=", "size=", "seen=", ";"}
	forwardArgs = []string{"as=", "uri=", "branch=", "proto=", "sentby=", "split=", "size=", "seen=", ";"}
	stunArgs    = []string{"id=", "mapped=", "nomapped", "nocode", "code=", "attrs=", "method=", "split=", "own"}
	rawArgs     = []string{"split=", "seen="}
	pingArgs    = []string{"split=", "seen=", "own"}
	profileArgs = []string{"nat", "draft01", "swamping=", "domains=", "persistent=", "flows="}
	expectArgs  = []string{"local", "peer", "unknown", "violation", "advice", "info", "policy", "count="}
)

// statements are the words a line can begin with, beside +DURATION and a
// connection's name.
var statements = []string{"tcp", "tls", "udp", "open", "listen", "unlisten", "exit", "profile", "policy", "repeat", "end", "expect"}

// methods are those of RFC 3261 and its extensions; another one is written in
// capitals like them.
func isMethod(word string) bool {
	return word != "" && strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") == "" && word[0] != '-'
}

// check says which of args does not belong, and what does.
func check(what string, args, allowed []string) error {
	var seen []string
	for _, a := range args {
		if strings.HasPrefix(a, ";") && slices.Contains(allowed, ";") {
			continue
		}
		key, value, valued := strings.Cut(a, "=")
		if valued {
			key += "="
			if value == "" {
				return fmt.Errorf("%s: %q has no value", what, a)
			}
		}
		if !slices.Contains(allowed, key) {
			return fmt.Errorf("%s: %q does not belong here; allowed: %s", what, a, list(allowed))
		}
		if slices.Contains(seen, key) {
			return fmt.Errorf("%s: %q is there twice", what, key)
		}
		seen = append(seen, key)
	}
	return nil
}

func list(allowed []string) string {
	if len(allowed) == 0 {
		return "nothing"
	}
	all := slices.Clone(allowed)
	for i, a := range all {
		switch {
		case a == ";":
			all[i] = ";PARAMETER"
		case strings.HasSuffix(a, "="):
			all[i] = a + strings.ToUpper(strings.TrimSuffix(a, "="))
		}
	}
	return strings.Join(all, " ")
}
