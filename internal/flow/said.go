// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/viaduct-project/viaduct/internal/flow/compose"
)

func fault(format string, args ...any) error { return fmt.Errorf(format, args...) }

const maxSize = 65000

// message checks what is said on a connection.
func (s *Step) message() error {
	switch {
	case isMethod(s.What):
		return s.checked(requestArgs)
	case isStatus(s.What):
		return s.checked(answerArgs)
	}
	switch s.What {
	case "fin", "rst", "close":
		s.Verb = "stop"
		return check(s.What, s.Args, nil)
	case "alert":
		return check("alert", s.Args, nil)
	case "ping", "pong":
		return s.checked(pingArgs)
	case "raw", "filler":
		if len(s.Args) == 0 {
			return fault(`%s: write %s "bytes", as in Go: \r \n \x00`, s.What, s.What)
		}
		if b, err := strconv.Unquote(s.Args[0]); err != nil || b == "" {
			return fault(`%s %s: not a string with quotes, as in Go: "\r\n"`, s.What, s.Args[0])
		}
		return s.tail(1, rawArgs)
	case "again":
		return s.checked([]string{"re=", "split="})
	case "forward":
		if len(s.Args) == 0 || strings.ContainsAny(s.Args[0], ";=") {
			return fault("forward: write forward NAME, the name that as= gave a message")
		}
		return s.tail(1, forwardArgs)
	case "lost":
		if n := number(s.Args, 0); n < 1 || n > maxSize {
			return fault("lost: write lost BYTES, 1 to %d", maxSize)
		}
		return s.tail(1, nil)
	case "stun":
		return s.stun()
	}
	return fault("%q: allowed are a METHOD, a status from 100 to 699, ping, pong, raw, filler, stun, again, forward, lost, alert, fin, rst, close", s.What)
}

func number(args []string, i int) int {
	if i >= len(args) {
		return -1
	}
	n, err := strconv.Atoi(args[i])
	if err != nil {
		return -1
	}
	return n
}

var stunKinds = []string{"request", "success", "error", "indication"}

func (s *Step) stun() error {
	if len(s.Args) == 0 || !slices.Contains(stunKinds, s.Args[0]) {
		return fault("stun: write stun %s", strings.Join(stunKinds, "|"))
	}
	if err := s.tail(1, stunArgs); err != nil {
		return err
	}
	if a, ok := option(s.Args, "attrs"); ok {
		for _, name := range strings.Split(a, ",") {
			if name != "mapped-address" && !slices.Contains(compose.AttributeNames(), name) {
				return fault("stun: no attribute %q; there are mapped-address, %s", name, strings.Join(compose.AttributeNames(), ", "))
			}
		}
	}
	if a, ok := option(s.Args, "mapped"); ok {
		if _, err := address(a, 0); err != nil {
			return err
		}
	}
	return s.numbers("code", 300, 699, "method", 1, 0xfff)
}

func (s *Step) checked(allowed []string) error { return s.tail(0, allowed) }

// tail checks the arguments from the one with index from on.
func (s *Step) tail(from int, allowed []string) error {
	if err := check(s.What, s.Args[from:], allowed); err != nil {
		return err
	}
	return s.numbers("split", 2, 100, "seen", 0, maxSize, "size", 200, maxSize, "cseq", 0, 1<<32)
}

// numbers checks options that are numbers: key, lowest, highest, and so on.
func (s *Step) numbers(ranges ...any) error {
	for i := 0; i < len(ranges); i += 3 {
		key, low, high := ranges[i].(string), ranges[i+1].(int), ranges[i+2].(int)
		v, ok := option(s.Args, key)
		if !ok {
			continue
		}
		if n, err := strconv.Atoi(v); err != nil || n < low || n > high {
			return fault("%s: %s=%s is not a number from %d to %d", s.What, key, v, low, high)
		}
	}
	return nil
}

// intOption returns the number that numbers has checked.
func (s *Step) intOption(key string, or int) int {
	if v, ok := option(s.Args, key); ok {
		n, _ := strconv.Atoi(v)
		return n
	}
	return or
}
