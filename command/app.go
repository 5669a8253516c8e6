package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// Exit codes of the command.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitAlert       = 3
	exitInterrupted = 130
)

const exitCodesHelp = `
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 an alert holds (stats --check) or doctor warns, 130 interrupted
`

// environment is everything outside of the process that the command depends on.
type environment struct {
	args     []string
	in       io.Reader
	out, err io.Writer
	dir      string // the working directory, where .env may be
	lookup   func(string) (string, bool)
	names    []string              // of the variables that are set
	patience time.Duration         // for how long cleanup and serve try to connect to a database that is down
	terminal func(stream any) bool // whether a stream leads to a terminal
}

// app is one call of the command: its environment, and the flags that all verbs share.
type app struct {
	environment
	outTTY     bool // standard output is a terminal
	errTTY     bool // standard error is a terminal
	colors     bool // on standard output
	database   string
	schemaFile string
	tableName  string
	name       string // of the installation
	trustOwner bool
	json       bool
	verbose    bool
	logFormat  logFormat

	ignoreClock bool                   // for the verbs that run
	archives    sessioncleanup.Switch  // cleanup --archive
	rules       string                 // cleanup and migrate --rules
	backupTo    string                 // --backup
	backups     sessioncleanup.Backups // of verbs that write backups; nil when none is asked for
}

// errAlert ends stats --check when an alert holds. The alerts are printed by then.
var errAlert = errors.New("an alert holds")

// errProblem ends doctor when it found a problem. It is printed by then.
var errProblem = errors.New("there is a problem")

// run executes the command and returns its exit code.
func run(ctx context.Context, env environment) int {
	a := &app{environment: env, outTTY: env.terminal(env.out), errTTY: env.terminal(env.err)}
	a.out = &quietPipe{w: env.out}
	a.err = &quietPipe{w: &redactor{w: env.err, secrets: a.secrets}}
	err := a.loadDotEnv()
	a.colors = a.outTTY && a.wantsColors()
	if err == nil {
		err = a.execute(ctx)
	}
	return a.exit(ctx, err)
}

func (a *app) execute(ctx context.Context) error {
	root := a.root()                            //nolint:contextcheck // verbs get the context when cobra runs them
	root.SetArgs(append([]string{}, a.args...)) // nil would stand for those of the process
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	return root.ExecuteContext(ctx)
}

// exit reports an error and returns the exit code for it.
func (a *app) exit(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errAlert):
		return exitAlert
	case errors.Is(err, errProblem):
		return exitFailed
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		a.complain("interrupted")
		return exitInterrupted
	}
	a.complain(err.Error())
	switch {
	case isUsage(err):
		return exitUsage
	case errors.Is(err, sessioncleanup.ErrNotInstalled) && !strings.Contains(err.Error(), "run migrate"): // most stores say so
		a.complain("prepare the database with: sessioncleanup migrate")
	}
	return exitFailed
}

// isUsage reports whether the call has to be changed, rather than the database.
func isUsage(err error) bool {
	_, usage := errors.AsType[usageError](err)
	return usage || errors.Is(err, sessioncleanup.ErrInvalid) && !errors.Is(err, invalid.ErrDatabase)
}

// longestLine is how many bytes of a line are printed about an error: it may quote a value of any length.
const longestLine = 4000

// cutMiddle cuts a line that is too long. What would be right is at its end.
func cutMiddle(line string) string {
	if len(line) <= longestLine {
		return line
	}
	return strings.ToValidUTF8(line[:longestLine/2], "") + " … " + strings.ToValidUTF8(line[len(line)-longestLine/2:], "")
}

// complain writes a line to standard error. There is no place left to report that this failed.
func (a *app) complain(message string) {
	lines := strings.Split(message, "\n")
	for i, line := range lines {
		lines[i] = printable(cutMiddle(strings.ReplaceAll(line, "\t", "  ")))
	}
	_, _ = fmt.Fprintf(a.err, "sessioncleanup: %s\n", strings.Join(lines, "\n"))
}
