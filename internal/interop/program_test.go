// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	"github.com/viaduct-project/viaduct/internal/testutil"
	"github.com/viaduct-project/viaduct/internal/testutil/release"
)

// program is one under test.
type program struct {
	*testutil.Program
	stdin *os.File
}

// start runs a program on a side, in dir, where it also has its home.
func (l *lab) start(s side, dir, name string, args ...string) *program {
	l.Helper()
	return l.run(s, dir, name, exec.Command(name, args...))
}

// startOf is start with a program of another release, which has a path.
func (l *lab) startOf(r release.Release, s side, dir, path string, args ...string) *program {
	l.Helper()
	return l.run(s, dir, path, r.Provided(path, args...))
}

func (l *lab) run(s side, dir, name string, cmd *exec.Cmd) *program {
	l.Helper()
	in, out, err := os.Pipe()
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { out.Close() })
	cmd.Stdin, cmd.Dir = in, dir
	cmd.Env = []string{"HOME=" + dir, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb"}
	l.programs[s.addr] = append(l.programs[s.addr], filepath.Base(name))
	p := &program{testutil.Start(l, s.netns, cmd), out}
	in.Close()
	return p
}

// listening waits until something in a program's namespace listens on a TCP port.
func (l *lab) listening(p *program, port uint16) {
	l.Helper()
	local := regexp.MustCompile(fmt.Sprintf(`(?m)^ *\d+: [0-9A-F]+:%04X [0-9A-F]+:0000 0A `, port))
	l.until(patience, func() string {
		table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", p.Process.Pid))
		if err != nil {
			return err.Error()
		}
		if !local.Match(table) {
			return fmt.Sprintf("%s does not listen on %d", p.Path, port)
		}
		return ""
	})
}

// say types a line.
func (l *lab) say(p *program, line string) {
	l.Helper()
	if _, err := fmt.Fprintln(p.stdin, line); err != nil {
		l.Fatal(err)
	}
}

// file writes a configuration into a new directory.
func (l *lab) file(name, content string) (dir, path string) {
	l.Helper()
	dir = l.TempDir()
	path = filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		l.Fatal(err)
	}
	return dir, path
}
