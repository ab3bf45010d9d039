// SPDX-License-Identifier: Apache-2.0

package text

import (
	"fmt"
	"strconv"
	"time"
)

type integer interface{ ~int | ~uint32 | ~uint64 }

// number groups the digits of n: 1,234,567.
func number[T integer](n T) string {
	s := strconv.FormatUint(uint64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return number(n) + " " + what
}

// span writes d with what matters at its size: 0.3s, 12s, 4m10s, 3h05m, 2d04h.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "-"
	case d < time.Millisecond:
		return "0s"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Round(100*time.Millisecond).Seconds(), 'f', -1, 64) + "s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

// shortSpan is span in at most four columns.
func shortSpan(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return span(d)
	case d < 100*time.Second:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 100*time.Minute:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}

// seconds is span of a number that may be missing.
func seconds(s *float64) string {
	if s == nil {
		return "-"
	}
	return span(time.Duration(*s * float64(time.Second)))
}

// counts writes a pair, or nothing if both are zero.
func counts[T integer](out, in T) string {
	if out == 0 && in == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", out, in)
}
