// SPDX-License-Identifier: Apache-2.0

package house

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/viaduct-project/viaduct/"

// rule says what a package, or all below it, may import of other people's
// packages and of ours. Tests may import what they like.
type rule struct {
	of     string   // package, or a tree if it ends in "..."
	only   []string // prefixes that are allowed beside the standard library
	never  []string // prefixes that are not
	reason string
}

var rules = []rule{
	{of: "sipparse", only: []string{}, reason: "others import the parser for itself, and it brings nothing along"},
	{of: "internal/event", only: []string{}, reason: "every source of events speaks it"},
	{of: "agent...", only: []string{module + "agent", module + "sipparse", module + "internal/event", "github.com/gaissmai/bart", "golang.org/x/crypto/cryptobyte"},
		reason: "the core is pure: the same events from any source give the same report"},
	{of: "agent...", never: []string{"os", "net/http", "os/exec", "log", "log/slog", "syscall"},
		reason: "the core does no I/O"},
	{of: "bpf", only: []string{module + "internal/event", "github.com/cilium/ebpf", "golang.org/x/sys/unix"},
		reason: "the kernel side knows nothing of SIP's meaning"},
	{of: "bpf/reach", only: []string{"github.com/cilium/ebpf", "golang.org/x/sys/unix"},
		reason: "the kernel side knows nothing of why"},
	{of: "bpf/plaintext", only: []string{module + "bpf", module + "internal/event", module + "internal/cfunc", module + "internal/gofunc", module + "internal/tlsbind", "github.com/cilium/ebpf", "golang.org/x/sys/unix"},
		reason: "what a library moved is handed on; whose it is, others find out"},
	{of: "internal/gofunc", only: []string{"golang.org/x/arch"},
		reason: "a file is read, and nothing is attached to"},
	{of: "internal/cfunc", only: []string{"golang.org/x/arch"},
		reason: "code is looked at, and nothing is attached to"},
	{of: "internal/tlsbind", only: []string{module + "internal/event"},
		reason: "binding is pure, so that every order of events can be played"},
	{of: "internal/act", only: []string{module + "bpf", module + "internal/act/guard", "golang.org/x/sys/unix"},
		reason: "hands know nothing of policy"},
	{of: "internal/act/guard", only: []string{module + "bpf/reach", "golang.org/x/sys/unix"},
		reason: "a process of its own that must not wait for anything"},
	{of: "exporter", never: []string{module + "bpf", module + "internal/live", "github.com/cilium/ebpf"},
		reason: "the exporter turns snapshots into metrics, wherever they come from"},
	{of: "internal/live", never: []string{"github.com/cilium/ebpf", "github.com/prometheus"},
		reason: "only bpf knows the kernel, only exporter knows Prometheus"},
	{of: "internal/flow...", never: []string{module + "agent", module + "sipparse", module + "bpf"},
		reason: "what a flow says must not come from the code that it tests"},
	{of: "internal/capture...", only: []string{module + "internal/capture", module + "internal/event", "github.com/gopacket/gopacket", "github.com/klauspost/compress"},
		reason: "a source of events knows nothing of what is made of them"},
	{of: "internal/web", never: []string{module + "bpf", module + "internal/live", module + "exporter", "github.com/prometheus/client_golang"},
		reason: "what is shown is handed to the web server: it decides only to whom"},
	{of: "internal/view", only: []string{module + "agent", module + "internal/event"}, reason: "it shows what a core knows, whoever feeds it"},
	{of: "internal/web/page", only: []string{module + "agent"}, reason: "the page is of a report, or asks the API for what it shows"},
	{of: "internal/top", only: []string{module + "agent", module + "internal/view", "github.com/gdamore/tcell/v3"},
		reason: "the terminal shows what a source tells"},
	{of: "cmd...", never: []string{"github.com/cilium/ebpf"}, reason: "only bpf knows the kernel"},
}

// soleImporters are packages that only one place of ours may import.
var soleImporters = map[string]string{
	"github.com/cilium/ebpf":                         "bpf",
	"github.com/gopacket/gopacket":                   "internal/capture",
	"github.com/prometheus/client_golang/prometheus": "exporter",
	"github.com/prometheus/exporter-toolkit":         "internal/web",
	"github.com/gdamore/tcell":                       "internal/top",
	"github.com/chromedp":                            "internal/testutil/browser",
}

type goPackage struct {
	ImportPath string
	Imports    []string
	Doc        string
	Dir        string
	GoFiles    []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	list := exec.Command("go", "list", "-json=ImportPath,Imports,Doc,Dir,GoFiles", module+"...")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("only %d packages listed", len(all))
	}
	return all
}

func (r rule) covers(p string) bool {
	if tree, ok := strings.CutSuffix(r.of, "..."); ok {
		return p == tree || strings.HasPrefix(p, tree+"/")
	}
	return p == r.of
}

func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

func hasPrefix(path string, prefixes []string) bool {
	for _, p := range prefixes {
		if path == p || strings.HasPrefix(path, strings.TrimSuffix(p, "/")+"/") {
			return true
		}
	}
	return false
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		for _, r := range rules {
			if !r.covers(name) {
				continue
			}
			for _, path := range p.Imports {
				if r.only != nil && !isStandard(path) && !hasPrefix(path, r.only) || hasPrefix(path, r.never) {
					t.Errorf("%s imports %s: %s", name, path, r.reason)
				}
			}
		}
		for _, path := range p.Imports {
			if strings.HasPrefix(path, module+"cmd") {
				t.Errorf("%s imports %s: nothing imports a command", name, path)
			}
			for sole, owner := range soleImporters {
				if hasPrefix(path, []string{sole}) && name != owner && !strings.HasPrefix(name, owner+"/") {
					t.Errorf("%s imports %s: only %s does", name, path, owner)
				}
			}
		}
	}
}
