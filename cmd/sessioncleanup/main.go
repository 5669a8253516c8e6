// Command sessioncleanup manages the lifecycle of the sessions in a database: it shows what is due, cleans it up and
// reports what it did.
//
//	sessioncleanup demo                            try everything on a temporary SQLite database
//	sessioncleanup migrate --database sqlite:app.db
//	sessioncleanup cleanup --dry-run
//
// docs/command.md describes its verbs, its environment and its exit codes.
package main

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

func main() {
	signal.Ignore(syscall.SIGPIPE) // a reader that goes away must not end a run in the middle
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
