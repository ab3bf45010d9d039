// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// The golden archive is written out field by field, because the kernel is the
// only other reader of it here.
func TestWriteInitramfs(t *testing.T) {
	source := filepath.Join(t.TempDir(), "hello")
	if err := os.WriteFile(source, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := "070701" + "00000001" + "000041ED" + "00000000" + "00000000" + "00000001" + "00000000" + "00000000" +
		"00000000" + "00000000" + "00000000" + "00000000" + "00000004" + "00000000" + "bin\x00" + "\x00\x00" +
		"070701" + "00000002" + "000081ED" + "00000000" + "00000000" + "00000001" + "00000000" + "00000005" +
		"00000000" + "00000000" + "00000000" + "00000000" + "0000000A" + "00000000" + "bin/hello\x00" +
		"hello\x00\x00\x00" +
		"070701" + "00000003" + "00000000" + "00000000" + "00000000" + "00000001" + "00000000" + "00000000" +
		"00000000" + "00000000" + "00000000" + "00000000" + "0000000B" + "00000000" + "TRAILER!!!\x00" + "\x00\x00\x00"
	var got bytes.Buffer
	if err := WriteInitramfs(&got, []File{{Path: "bin"}, {Path: "bin/hello", Source: source}}); err != nil {
		t.Fatal(err)
	}
	if got.String() != want {
		t.Errorf("archive\n%q, want\n%q", got.String(), want)
	}
	for _, source := range []string{source + "-missing", t.TempDir()} {
		err := WriteInitramfs(new(bytes.Buffer), []File{{Path: "init", Source: source}})
		if err == nil || !strings.Contains(err.Error(), source) {
			t.Errorf("source %s: error %v, want one that names it", source, err)
		}
	}
}

func TestResult(t *testing.T) {
	sent := &Result{
		Release: "6.1.0",
		Steps:   []Step{{Name: "calls", Error: "line one\nline two", Seconds: 0.5}},
		Runs:    []Run{{Args: []string{"viaduct", "doctor"}, Exit: 2, Stderr: "no BTF\n"}},
	}
	var line bytes.Buffer
	if _, err := sent.WriteTo(&line); err != nil {
		t.Fatal(err)
	}
	// What the serial console makes of it: its own line ends, and the kernel's
	// messages before and after.
	console := "[ 0.1] booting" + strings.ReplaceAll(line.String(), "\n", "\r\n") + "[ 2.1] reboot: Power down\r\n"
	got, err := Parse([]byte(console))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, sent) {
		t.Errorf("got %+v, want %+v", got, sent)
	}

	if _, err := Parse([]byte("[ 0.1] Kernel panic\r\n")); !errors.Is(err, ErrNoResult) {
		t.Errorf("console without a result: error %v, want %v", err, ErrNoResult)
	}
	torn := strings.Replace(console, `"Steps"`, "[ 1.9] a kernel message\r\n", 1)
	if _, err := Parse([]byte(torn)); err == nil || errors.Is(err, ErrNoResult) {
		t.Errorf("torn result: error %v, want one about reading it", err)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		name, release string
		noImage       bool
		goarch        string
		withoutCX16   bool
		err           string
	}{
		{name: "v6.1", release: "6.1.0-50-cloud-amd64\n", goarch: "amd64", withoutCX16: true},
		{name: "newest", release: "7.3.4+deb13-cloud-amd64\n", goarch: "amd64"},
		{name: "ten", release: "10.0.1-cloud-amd64\n", goarch: "amd64"},
		{name: "v6.1-arm64", release: "6.1.0-50-cloud-arm64\n", goarch: "arm64"},
		{name: "torn", release: "6.1.0\n", noImage: true, err: "scripts/kernels.sh"},
		{name: "absent", err: "scripts/kernels.sh"},
		{name: "odd", release: "cloud\n", err: `release "cloud"`},
	} {
		if test.release != "" {
			write(t, filepath.Join(dir, test.name, "release"), test.release)
			if !test.noImage {
				write(t, filepath.Join(dir, test.name, "vmlinuz"), "MZ")
			}
		}
		k, err := Open(dir, test.name)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %v, want one with %q", test.name, err, test.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		withoutCX16 := strings.Contains(strings.Join(k.Machine.args, " "), "-cx16")
		if k.Release != strings.TrimSpace(test.release) || k.Machine.GOARCH != test.goarch || withoutCX16 != test.withoutCX16 {
			t.Errorf("%s: got %+v, want %+v", test.name, k, test)
		}
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
