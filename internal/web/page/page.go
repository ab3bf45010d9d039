// SPDX-License-Identifier: Apache-2.0

// Package page is the status page of an agent, and the same page as one file
// that holds a report. It loads nothing from elsewhere and runs no script but
// its own, which a content security policy makes sure of: what it shows was
// said by the network.
package page

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/rules"
	"github.com/viaduct-project/viaduct/agent/rules/explain"
)

//go:embed assets
var assets embed.FS

// styles and scripts are put together in this order: what a script defines for
// others at once comes before them.
var (
	styles  = []string{"base", "table", "timeline"}
	scripts = []string{
		"dom", "state", "source", "filter", "timeline", "connections", "detail", "others", "list", "chrome", "live", "main",
	}
)

var (
	frame  = read("index.html")
	style  = joined("css/%s.css", styles)
	script = "(() => {\n'use strict';\n" + joined("js/%s.js", scripts) + "})();\n"
)

func read(name string) string {
	b, err := fs.ReadFile(assets, "assets/"+name)
	if err != nil {
		panic(err) // it is embedded
	}
	return string(b)
}

func joined(pattern string, names []string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteString(read(fmt.Sprintf(pattern, name)))
	}
	return b.String()
}

// policy lets a page load styles and scripts from where it is told, its own
// icon, and nothing else.
func policy(styles, scripts, connect string) string {
	return "default-src 'none'; style-src " + styles + "; script-src " + scripts + "; connect-src " + connect +
		"; img-src data:; base-uri 'none'; form-action 'none'"
}

// Handler serves the status page at /, which asks for the API at api/v1/.
func Handler() http.Handler {
	mux := http.NewServeMux()
	whole := framed(`<link rel="stylesheet" href="page.css">`, `<script src="page.js"></script>`)
	for path, file := range map[string]struct{ kind, text string }{
		"/{$}":      {"text/html; charset=utf-8", whole},
		"/page.css": {"text/css; charset=utf-8", style},
		"/page.js":  {"text/javascript; charset=utf-8", script},
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", file.kind)
			w.Header().Set("Content-Security-Policy", policy("'self'", "'self'", "'self'")+"; frame-ancestors 'none'")
			_, _ = io.WriteString(w, file.text) // who asked has gone
		})
	}
	return mux
}

func framed(head, foot string) string {
	return strings.NewReplacer("{{head}}", head, "{{foot}}", foot).Replace(frame)
}

// WriteReport writes r as a page that needs no agent, no network and no other
// file.
func WriteReport(w io.Writer, r *report.Report) error {
	// The encoder writes <, > and & as escapes, so that nothing in the data
	// ends the element that it is in.
	data, err := json.Marshal(struct {
		Report *report.Report  `json:"report"`
		Rules  []explain.Entry `json:"rules"`
	}{r, found(r)})
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	csp := policy(hash(style), hash(script), "'none'")
	before, after, _ := strings.Cut(framed(
		`<meta http-equiv="Content-Security-Policy" content="`+csp+`">`+"\n<style>"+style+"</style>",
		`<script type="application/json" id="report">{{data}}</script>`+"\n<script>"+script+"</script>",
	), "{{data}}")
	for _, part := range []string{before, string(data), after} {
		if _, err := io.WriteString(w, part); err != nil {
			return err
		}
	}
	return nil
}

// hash names an inline style or script in a policy.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// found are the rules that the report has findings of.
func found(r *report.Report) []explain.Entry {
	named := make(map[string]bool)
	for i := range r.Findings {
		named[r.Findings[i].Rule] = true
	}
	some := []explain.Entry{}
	for _, e := range explain.Entries(rules.Catalogue()) {
		if named[e.ID] {
			some = append(some, e)
		}
	}
	return some
}
