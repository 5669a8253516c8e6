// Package command is the command sessioncleanup, for programs that add backends of their own to it. Command
// cmd/sessioncleanup is this package with the backends of this project, and the model for another one:
//
//	package main
//
//	import (
//		"example.com/mystore"
//
//		"github.com/sessioncleanup/sessioncleanup/command"
//		"github.com/sessioncleanup/sessioncleanup/store"
//	)
//
//	func main() {
//		store.Register("mystore", mystore.OpenURL)
//		command.Main()
//	}
//
// All verbs then accept --database mystore:...; docs/backends.md says what they ask of a store.
package command

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// endTimeout is how long the process lives after SIGTERM. All that waits for the database gives up before.
const endTimeout = 4900 * time.Millisecond

// Main runs the command with the arguments, the environment, and the streams of the process, and exits with its exit code.
// SIGINT and SIGTERM stop a run after its current batch.
func Main() {
	signal.Ignore(syscall.SIGPIPE) // a reader that closes the pipe must not end a run in the middle
	ctx := interruptible(context.Background())
	context.AfterFunc(ctx, func() {
		if terminated(ctx) {
			time.AfterFunc(endTimeout, func() {
				_, _ = os.Stderr.WriteString("sessioncleanup: did not end within " + endTimeout.String() + "\n")
				os.Exit(exitFailed)
			})
		}
	})
	os.Exit(run(ctx, environment{
		args: os.Args[1:], in: os.Stdin, out: os.Stdout, err: os.Stderr, dir: ".",
		lookup: os.LookupEnv, names: variableNames(), terminal: isTerminal, patience: connectPatience,
	}))
}

// variableNames lists the variables of the environment.
func variableNames() []string {
	names := os.Environ()
	for i, variable := range names {
		names[i], _, _ = strings.Cut(variable, "=")
	}
	return names
}

// stopped is the cause of a context that a signal ended.
type stopped struct{ os.Signal }

func (s stopped) Error() string { return s.String() }

// interruptible returns a context that ends at the first SIGINT or SIGTERM, so that the current batch can finish. A
// second signal ends the process immediately.
func interruptible(parent context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		s := <-signals
		signal.Stop(signals)
		cancel(stopped{s})
	}()
	return ctx
}
