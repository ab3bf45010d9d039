// SPDX-License-Identifier: Apache-2.0

package house

import (
	"bytes"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

// sources calls f with each file of ours that ends in one of the suffixes.
func sources(t *testing.T, f func(path string, content []byte), suffixes ...string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == ".git" || entry.Name() == ".cache" || entry.Name() == "bin") {
			return filepath.SkipDir
		}
		for _, suffix := range suffixes {
			if entry.Type().IsRegular() && strings.HasSuffix(path, suffix) {
				content, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				f(path, content)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func isGenerated(content []byte) bool {
	return bytes.HasPrefix(content, []byte("// Code generated "))
}

func TestLicenceLines(t *testing.T) {
	sources(t, func(path string, content []byte) {
		if !isGenerated(content) && !bytes.HasPrefix(content, []byte("// SPDX-License-Identifier: Apache-2.0\n")) {
			t.Errorf("%s: the first line must name the licence, Apache-2.0", path)
		}
	}, ".go")
	sources(t, func(path string, content []byte) {
		first, second, _ := bytes.Cut(content, []byte("\n"))
		if bytes.HasPrefix(first, []byte("//go:build")) {
			first, _, _ = bytes.Cut(second, []byte("\n"))
		}
		if strings.HasPrefix(path, root+"/bpf") && !bytes.Contains(first, []byte("SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)")) {
			t.Errorf("%s: the first line must name both licences of BPF code", path)
		}
	}, ".c", ".h")
}

func TestFormat(t *testing.T) {
	sources(t, func(path string, content []byte) {
		formatted, err := format.Source(content)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		} else if !bytes.Equal(formatted, content) {
			t.Errorf("%s: run gofmt -w on it", path)
		}
	}, ".go")
}

// Every package says once what it is.
func TestPackageDocs(t *testing.T) {
	docs := make(map[string]int)
	sources(t, func(path string, content []byte) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, content, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		docs[filepath.Dir(path)] += 0
		if file.Doc != nil && !isGenerated(content) {
			docs[filepath.Dir(path)]++
		}
	}, ".go")
	for dir, n := range docs {
		if n != 1 {
			t.Errorf("%s: %d package comments, want 1", dir, n)
		}
	}
}

// Machine-local paths and half-done work do not belong into the repository.
func TestWordsThatDoNotBelong(t *testing.T) {
	words := []string{"TO" + "DO", "FIX" + "ME", "/wor" + "k/"}
	sources(t, func(path string, content []byte) {
		for _, word := range words {
			if bytes.Contains(content, []byte(word)) {
				t.Errorf("%s contains %q", path, word)
			}
		}
	}, ".go", ".c", ".h", ".sh", ".md", "Makefile")
}
