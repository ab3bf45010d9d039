// SPDX-License-Identifier: Apache-2.0

// Viaduct watches the connections that SIP runs over, and says what the
// neighbours do with them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes that users script against.
const (
	exitFine     = 0
	exitFindings = 1 // at or above --fail-on
	exitUnable   = 2 // could not run
)

// errFindings makes the exit code tell of findings; it is not printed.
var errFindings = errors.New("findings")

type commands struct {
	Agent   agentCommand   `cmd:"" help:"Run as a daemon that Prometheus scrapes. Needs root."`
	Audit   auditCommand   `cmd:"" help:"Watch this host's SIP connections and print a report. Needs root."`
	Demo    demoCommand    `cmd:"" help:"Play good and bad SIP peers on loopback and show the report on them. Needs root."`
	Doctor  doctorCommand  `cmd:"" help:"Say which features this host has, and what to do where it has not."`
	Policy  policyCommand  `cmd:"" help:"Check a policy file, or explain what it says of a connection."`
	Rules   rulesCommand   `cmd:"" help:"List the rules that are checked, or explain one."`
	Top     topCommand     `cmd:"" help:"Show the connections in the terminal, while they live: of a running agent, or as root without one."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// environment is where a command runs.
type environment struct {
	ctx    context.Context // done at the first SIGINT or SIGTERM
	stdout io.Writer
	stderr io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for the report; another one does not wait for it.
	context.AfterFunc(ctx, stop)
	os.Exit(run(environment{ctx: ctx, stdout: os.Stdout, stderr: os.Stderr}, os.Args[1:]))
}

// run executes the command that args name and returns the exit code.
func run(env environment, args []string) int {
	err := execute(&env, args)
	switch {
	case err == nil:
		return exitFine
	case errors.Is(err, errFindings):
		return exitFindings
	}
	fmt.Fprintln(env.stderr, "viaduct:", err)
	return exitUnable
}

// helped ends the parser after it has printed its help.
type helped struct{}

func execute(env *environment, args []string) (err error) {
	var c commands
	parser, err := kong.New(&c,
		kong.Name("viaduct"),
		kong.Description("See what SIP neighbours do with their connections."),
		kong.Writers(env.stdout, env.stderr),
		kong.Exit(func(int) { panic(helped{}) }),
	)
	if err != nil {
		return err
	}
	defer func() {
		switch r := recover().(type) {
		case nil, helped:
		default:
			panic(r)
		}
	}()
	selected, err := parser.Parse(args)
	if err != nil {
		return err
	}
	return selected.Run(env)
}
