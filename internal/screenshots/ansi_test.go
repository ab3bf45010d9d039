// SPDX-License-Identifier: Apache-2.0

//go:build screenshots

package screenshots

import (
	"html"
	"regexp"
	"strings"
)

var escape = regexp.MustCompile("\x1b\\[([0-9;]*)m")

// looks are what the codes of a terminal's escape sequences mean; others are
// left out.
var looks = map[string]string{
	"1": "font-weight:bold", "2": "opacity:.6", "7": "background:#d0d0d0;color:#111", "31": "color:#ff7b72", "32": "color:#7ee787",
	"33": "color:#e3b341", "36": "color:#76c7e0", "91": "color:#ff7b72", "92": "color:#7ee787", "93": "color:#e3b341", "96": "color:#76c7e0",
}

// asPage is what a terminal shows, with its escape sequences, as HTML.
func asPage(screen string) string {
	var b strings.Builder
	b.WriteString(`<!doctype html><meta charset="utf-8"><style>body{margin:0;background:#111;color:#d0d0d0}
pre{font:13px/1.55 "DejaVu Sans Mono",monospace;margin:14px 18px}</style><pre><span>`)
	at, on := 0, map[string]bool{}
	for _, found := range escape.FindAllStringSubmatchIndex(screen, -1) {
		b.WriteString(html.EscapeString(screen[at:found[0]]))
		at = found[1]
		for _, code := range strings.Split(screen[found[2]:found[3]], ";") {
			if code == "" || code == "0" {
				clear(on)
			} else if code == "39" {
				for c := range on {
					if strings.HasPrefix(looks[c], "color") {
						delete(on, c)
					}
				}
			} else {
				on[code] = true
			}
		}
		b.WriteString(`</span><span style="`)
		for code, look := range looks {
			if on[code] {
				b.WriteString(look + ";")
			}
		}
		b.WriteString(`">`)
	}
	return b.String() + html.EscapeString(screen[at:]) + "</span></pre>"
}
