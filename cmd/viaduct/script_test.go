// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary the viaduct command, for scripts by its name
// and for tests that run it as a process of its own by a variable.
func TestMain(m *testing.M) {
	if os.Getenv(asViaduct) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){
		"viaduct":   main,
		"as-nobody": asNobody,
		"capture":   writeCapture,
	})
}

// asNobody runs viaduct without any privilege. The directory of this binary is
// closed to others, hence the way through /proc.
func asNobody() {
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Args[0] = "viaduct"
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if err := c.Run(); err != nil {
		os.Exit(c.ProcessState.ExitCode())
	}
}

// The commands as a shell sees them. In the scripts, `exits CODE command...`
// wants an exit code.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Condition: func(cond string) (bool, error) {
			return cond == "root" && os.Geteuid() == 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		// A skipped line in CI is a test that nobody ran.
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			if os.Getenv("VIADUCT_STRICT") == "1" && os.Geteuid() != 0 {
				t.Fatal("needs root, and VIADUCT_STRICT=1 allows no skip")
			}
			return os.Chmod(env.WorkDir, 0o755)
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE command...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		// testscript gives the error's text: "exit status 2".
		code = err.Error()[strings.LastIndexByte(err.Error(), ' ')+1:]
	}
	if code != args[0] {
		ts.Fatalf("%v: exit code %s, want %s", args[1:], code, args[0])
	}
}
