// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	yamlBlock    = regexp.MustCompile("(?ms)^```yaml (\\S+)\n(.*?)^```$")
	consoleBlock = regexp.MustCompile("(?ms)^```console\n(.*?)^```$")
)

// TestDocumentedCommands runs the policy commands that the pages show, on the
// files that they show, and compares all that is printed.
func TestDocumentedCommands(t *testing.T) {
	for page, least := range map[string]int{"policy.md": 12, "runbook.md": 2} {
		text, err := os.ReadFile("../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(page, func(t *testing.T) {
			t.Chdir(t.TempDir())
			commands := 0
			for _, block := range inOrder(string(text)) {
				if block.file != "" {
					if err := os.WriteFile(filepath.Base(block.file), []byte(block.text), 0o600); err != nil {
						t.Fatal(err)
					}
					continue
				}
				for _, part := range strings.Split("\n"+block.text, "\n$ ")[1:] {
					line, want, _ := strings.Cut(part, "\n")
					if !strings.HasPrefix(line, "viaduct policy ") {
						continue
					}
					commands++
					var got bytes.Buffer
					run(environment{ctx: t.Context(), stdout: &got, stderr: &got}, strings.Fields(line)[1:])
					if strings.TrimSuffix(got.String(), "\n") != strings.TrimSuffix(want, "\n") {
						t.Errorf("$ %s\n%s\nthe page has\n%s", line, &got, want)
					}
				}
			}
			if commands < least {
				t.Errorf("%d commands were run, %d are known", commands, least)
			}
		})
	}
}

type docBlock struct {
	at         int
	file, text string // no file: a session at a terminal
}

// inOrder returns the files and sessions of a page as they come: a file of the
// same name takes the place of the one before.
func inOrder(page string) []docBlock {
	var all []docBlock
	files, sessions := yamlBlock.FindAllStringSubmatchIndex(page, -1), consoleBlock.FindAllStringSubmatchIndex(page, -1)
	for len(files)+len(sessions) > 0 {
		if len(sessions) == 0 || len(files) > 0 && files[0][0] < sessions[0][0] {
			all = append(all, docBlock{files[0][0], page[files[0][2]:files[0][3]], page[files[0][4]:files[0][5]]})
			files = files[1:]
		} else {
			all = append(all, docBlock{sessions[0][0], "", page[sessions[0][2]:sessions[0][3]]})
			sessions = sessions[1:]
		}
	}
	return all
}
