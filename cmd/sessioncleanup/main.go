// Command sessioncleanup looks after the sessions in a database: it shows what is due, cleans it up and reports.
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
	"syscall"
)

func main() {
	// Whoever closed the pipe that we write to gets no more output, but must not end a run in the middle.
	signal.Ignore(syscall.SIGPIPE)
	ctx := interruptible(context.Background())
	os.Exit(run(ctx, environment{
		args: os.Args[1:], in: os.Stdin, out: os.Stdout, err: os.Stderr, dir: ".",
		lookup: os.LookupEnv, terminal: isTerminal,
	}))
}

// stopped is why a context ended: a signal asked for it.
type stopped struct{ os.Signal }

func (s stopped) Error() string { return s.String() }

// interruptible gives a context that ends at the first SIGINT or SIGTERM, so that the batch at hand can be finished.
// From then on these signals do what they do when nobody listens: a second one ends the process at once.
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
