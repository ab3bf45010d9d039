// SPDX-License-Identifier: Apache-2.0

package page_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/testutil/browser"
	"github.com/viaduct-project/viaduct/internal/testutil/traffic"
	"github.com/viaduct-project/viaduct/internal/web/page"
)

// TestHostile: what the network says is shown as text, on both pages, wherever
// one looks.
func TestHostile(t *testing.T) {
	h := newHost(t)
	h.play(func() {
		h.Hostile()
		h.Wait(40 * time.Second)
	})
	for _, at := range []string{h.URL + "/", h.file(t)} {
		b := browser.Open(t, width, height)
		b.Do(chromedp.Navigate(at))
		b.Until(`document.querySelector('#list > *')`)
		for _, hash := range []string{
			"", "view=findings", "view=peers", "connection=c1&open=c1", "connection=c3&open=c3", "connection=c5&open=c5", "connection=c8&open=c8",
			"text=%3Cimg%20src%3Dx%20onerror%3Ddocument.title%3D%27owned%27%3E", "view=%3Cscript%3E", "open=%22%3E%3Cscript%3E", "after=%3Cb%3E",
		} {
			to(b, hash)
			browser.Eval[bool](b, `document.querySelectorAll('#list details').forEach((e) => { e.open = true; }), true`)
			switch is := browser.Eval[string](b, `[document.title.includes('owned') ? 'the title is theirs' : '',
				document.querySelector('#list script, #list img, #list b, #list i, [onerror], [onmouseover]') ? 'their elements are there' : '',
				/[\u0000-\u0008\u202a-\u202e\u2066-\u2069\ufffd]/.test(document.body.innerText) ? 'what acts on text is there' : ''].join('')`); {
			case is != "":
				t.Errorf("%s#%s: %s", at, hash, is)
			}
		}
		if strings.HasPrefix(at, "http") {
			b.Said() // of the cursor that the agent has not given
		}
		to(b, "view=findings&rule=KEEP-02")
		if text := browser.Eval[string](b, `document.querySelector('#list').innerText`); !strings.Contains(text, `keep="><script>document.title='owned'</script>`) {
			t.Errorf("the evidence is not shown as it was: %s", text)
		}
	}
}

// TestPolicyHolds: a script that was put into the page all the same does not
// run, and nothing can be fetched or framed.
func TestPolicyHolds(t *testing.T) {
	h := newHost(t)
	h.fill(5)
	for _, at := range []string{h.URL + "/", h.file(t)} {
		b := browser.Open(t, width, height)
		b.Do(chromedp.Navigate(at))
		b.Until(`document.querySelector('#list > *')`)
		browser.Eval[bool](b, `(() => {
			const e = document.createElement('script');
			e.textContent = "document.title = 'owned'";
			document.body.append(e);
			const i = document.createElement('div');
			i.innerHTML = '<img src=x onerror="document.title=\'owned\'"><style>body{display:none}</style><iframe src="https://example.com/"></iframe>';
			document.body.append(i);
			return true;
		})()`)
		if browser.Eval[bool](b, `fetch('https://example.com/').then(() => true, () => false)`) {
			t.Errorf("%s: something was fetched from elsewhere", at)
		}
		if browser.Eval[bool](b, `document.title == 'owned' || getComputedStyle(document.body).display == 'none'`) {
			t.Errorf("%s: it has run", at)
		}
		if said := strings.Join(b.Said(), "\n"); strings.Count(said, "Content Security Policy") < 4 {
			t.Errorf("%s: the policy was not asked: %s", at, said)
		}
		for _, url := range b.Asked(at) {
			if !strings.HasPrefix(url, h.URL) && !strings.HasSuffix(url, "/x") { // asked for, and refused
				t.Errorf("%s asks for %s", at, url)
			}
		}
	}
}

// TestFileIsWhole: the file holds nothing that ends its elements early, and
// its page is the agent's.
func TestFileIsWhole(t *testing.T) {
	r := &report.Report{Connections: []report.Connection{}, Peers: []report.Peer{}, Findings: []report.Finding{}, Actions: []report.Action{}}
	for _, evil := range traffic.Evil {
		r.Findings = append(r.Findings, report.Finding{Rule: "KEEP-09", Evidence: evil, Summary: evil, Severity: evil})
	}
	var b bytes.Buffer
	if err := page.WriteReport(&b, r); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	_, data, _ := strings.Cut(text, `<script type="application/json" id="report">`)
	data, _, _ = strings.Cut(data, "</script>")
	if strings.ContainsAny(data, "<>&\u2028\u2029") || !strings.HasSuffix(data, "]}") {
		t.Errorf("the data ends with %.80q", data[max(0, len(data)-80):])
	}
	if n := strings.Count(text, "<script"); n != 2 {
		t.Errorf("%d scripts", n)
	}
	if strings.Contains(text, "http://www.w3.org/1999") || strings.Contains(text, "src=\"http") || strings.Contains(text, "href=\"http") {
		t.Error("it refers to something elsewhere")
	}
}

func TestHandler(t *testing.T) {
	h := newHost(t)
	for path, kind := range map[string]string{
		"/": "text/html", "/page.css": "text/css", "/page.js": "text/javascript", "/index.html": "", "/assets/": "", "/page.js/": "",
	} {
		answer, err := http.Get(h.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		policy := answer.Header.Get("Content-Security-Policy")
		switch {
		case err != nil:
			t.Error(err)
		case kind == "" && answer.StatusCode != 404:
			t.Errorf("%s: %d", path, answer.StatusCode)
		case kind != "" && (answer.StatusCode != 200 || !strings.HasPrefix(answer.Header.Get("Content-Type"), kind) || len(body) < 1000):
			t.Errorf("%s: %d %s", path, answer.StatusCode, answer.Header.Get("Content-Type"))
		case kind != "" && (!strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'")):
			t.Errorf("%s: the policy is %s", path, policy)
		}
	}
}
