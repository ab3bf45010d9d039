// SPDX-License-Identifier: Apache-2.0

package sipparse

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// addTorture seeds a fuzz test with the torture messages.
func addTorture(f *testing.F) {
	files, err := filepath.Glob("testdata/torture/*.sip")
	if err != nil || len(files) == 0 {
		f.Fatal("no torture messages", err)
	}
	for _, file := range files {
		msg, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(msg)
	}
}

// FuzzParser: fields come in order, lie in the message, and are the same whether
// they were read quickly or byte by byte.
func FuzzParser(f *testing.F) {
	addTorture(f)
	f.Fuzz(func(t *testing.T, msg []byte) {
		// Bytes behind the message, which are not ours to read, change nothing.
		for _, behind := range []string{"", "\r\n\r\nxxxxxxxxxxxxxxxxxxxxxxxx", "=;,a=b;tag=1>,;keep=1;x:@1\r\n:", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"} {
			padded := append(append(make([]byte, 0, len(msg)+len(behind)), msg...), behind...)
			checkParser(t, padded[:len(msg)])
		}
	})
}

func checkParser(t *testing.T, msg []byte) {
	var p, slow Parser
	start, err := p.Start(msg)
	slowStart, slowErr := startSlowly(&slow, msg)
	if err != slowErr || !reflect.DeepEqual(start, slowStart) {
		t.Fatalf("start line %+v %v, byte by byte %+v %v", start, err, slowStart, slowErr)
	}
	checkDefects(t, start.Defects, len(msg))
	if err != nil {
		if p.Next() {
			t.Fatal("a field after an error")
		}
		return
	}
	if LooksLikeSIP(msg) == VerdictNo && len(msg) < maxStartLine && len(start.MethodName) < maxMethod && start.Defects.set == 0 {
		t.Fatal("a good start line does not look like SIP")
	}
	end := 0
	for p.Next() {
		if !slow.slow() {
			t.Fatalf("%q is a field only when read quickly", p.Field().Name)
		}
		h := p.Header()
		if !reflect.DeepEqual(h, slow.Header()) {
			t.Fatalf("%+v, byte by byte %+v", h, slow.Header())
		}
		if h.Offset < end || !within(msg, h.Offset, h.Name) || !within(msg, h.ValueOffset, h.Value) {
			t.Fatalf("field %+v not in its place, or before %d", h, end)
		}
		end = h.ValueOffset + len(h.Value)
		checkField(t, h, len(msg))
	}
	if slow.slow() {
		t.Fatal("one more field when read byte by byte")
	}
	if p.BodyOffset() != slow.BodyOffset() || p.BodyOffset() < end || !within(msg, p.BodyOffset(), p.Body()) {
		t.Fatalf("body at %d, byte by byte %d, after %d", p.BodyOffset(), slow.BodyOffset(), end)
	}
	checkDefects(t, p.Defects(), len(msg))
	all, err := Check(msg)
	if err != nil {
		t.Fatal(err)
	}
	if d := p.Defects(); all.set&d.set != d.set || all.set&start.Defects.set != start.Defects.set {
		t.Fatal("Check does not have all defects")
	}
	checkDefects(t, all, len(msg))
}

// startSlowly is Parser.Start without quickStart.
func startSlowly(p *Parser, msg []byte) (sl StartLine, err error) {
	*p = Parser{msg: msg, body: -1, lf: -1}
	i := 0
	for i < len(msg) && (msg[i] == '\r' || msg[i] == '\n') {
		i++
	}
	end, next := p.line(i)
	if !parseStart(msg, i, end, &sl) {
		return StartLine{}, ErrNotSIP
	}
	p.pos = next
	return sl, nil
}

func within(msg []byte, at int, part []byte) bool {
	return at >= 0 && at+len(part) <= len(msg) && bytes.Equal(msg[at:at+len(part)], part)
}

func checkDefects(t *testing.T, d Defects, size int) {
	t.Helper()
	if d.Len() < d.Places() || d.Any() != (d.Places() > 0) {
		t.Fatalf("%d defects with %d places", d.Len(), d.Places())
	}
	for i := range d.Places() {
		if at := d.At(i); at.Offset < 0 || at.Offset > size || !d.Has(at.Code) {
			t.Fatalf("%v at %d of %d bytes", at.Code, at.Offset, size)
		}
	}
}

// checkField reads the value of h as everything it could be, whatever its name,
// and with and without readable bytes behind it.
func checkField(t *testing.T, h Header, size int) {
	exact := h
	exact.Value = append(make([]byte, 0, len(h.Value)), h.Value...)

	l, m, v, w := h.Vias(), exact.Vias(), Via{}, Via{}
	for end := -1; l.Next(&v); {
		if !m.Next(&w) || !reflect.DeepEqual(v, w) {
			t.Fatalf("%+v, byte by byte %+v", v, w)
		}
		if v.Offset <= end {
			t.Fatalf("Via at %d after %d", v.Offset, end)
		}
		end = v.Offset
		checkDefects(t, v.Defects, size)
		checkViaPrint(t, &v)
	}
	if m.Next(&w) || l.Defects != m.Defects {
		t.Fatal("one more Via byte by byte, or other defects")
	}

	al, am, a, b := h.Addresses(), exact.Addresses(), Address{}, Address{}
	for end := -1; al.Next(&a); {
		if !am.Next(&b) || !reflect.DeepEqual(a, b) {
			t.Fatalf("%+v, byte by byte %+v", a, b)
		}
		if a.Offset <= end {
			t.Fatalf("address at %d after %d", a.Offset, end)
		}
		end = a.Offset
		checkDefects(t, a.Defects, size)
		checkAddressPrint(t, &a)
	}
	if am.Next(&b) || al.Defects != am.Defects {
		t.Fatal("one more address byte by byte, or other defects")
	}
	h.Address(&a)
	exact.Address(&b)
	if !reflect.DeepEqual(a, b) || !bytes.Equal(a.Tag, h.Tag()) || (a.Tag == nil) != (h.Tag() == nil) {
		t.Fatalf("%+v, byte by byte %+v, tag %q", a, b, h.Tag())
	}

	c := h.CSeq()
	checkDefects(t, c.Defects, size)
	if c.Valid && (c.Defects.Has(CodeNumberInvalid) || len(c.MethodName) == 0) {
		t.Fatalf("valid: %+v", c)
	}
	tags := h.Tags()
	for n, tag := 0, tags.Next(); tag != nil; n, tag = n+1, tags.Next() {
		if n > len(h.Value) {
			t.Fatal("more tags than bytes")
		}
		if isToken(tag) && !HasTag(h.Value, string(tag)) {
			t.Fatalf("tag %q is not there", tag)
		}
	}
	for name, option := range optionNames {
		if HasTag(h.Value, name) != (h.Options()&option != 0) {
			t.Fatalf("%s in %q: %v, as an option %v", name, h.Value, HasTag(h.Value, name), h.Options())
		}
	}
	if n := ParseDelta(h.Value); n.Valid && !n.HasValue || !n.Present {
		t.Fatalf("delta %+v", n)
	}
}

var optionNames = map[string]Options{"outbound": OptionOutbound, "path": OptionPath, "persistence": OptionPersistence}

// checkViaPrint: what is printed of a Via without defects reads the same.
func checkViaPrint(t *testing.T, v *Via) {
	if v.Defects.Any() {
		return
	}
	var again Via
	l := Vias([]byte(printVia(v)))
	if !l.Next(&again) || printVia(&again) != printVia(v) || again.Defects.Any() {
		t.Fatalf("%q prints as %q, which reads as %q %v", v.Raw, printVia(v), printVia(&again), codes(&again.Defects))
	}
	again.Raw, again.Params, again.Offset = v.Raw, v.Params, v.Offset
	if !reflect.DeepEqual(again, *v) {
		t.Fatalf("%+v prints as %+v", *v, again)
	}
	if l.Next(&again) {
		t.Fatalf("%q prints as more than one Via", v.Raw)
	}
}

func checkAddressPrint(t *testing.T, a *Address) {
	if a.Defects.Any() || !a.Bracketed {
		return
	}
	var again Address
	printed := printAddress(a)
	ParseAddress([]byte(printed), &again)
	if printAddress(&again) != printed || again.Defects.Any() {
		t.Fatalf("%q prints as %q, which reads as %q %v", a.Raw, printed, printAddress(&again), codes(&again.Defects))
	}
}
