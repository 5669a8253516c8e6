package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
)

// errDeclined ends a verb when the answer to its question is no.
var errDeclined = errors.New("not confirmed; nothing was done")

// confirm asks on a terminal whether to continue. Without a terminal it requires yes, the flag.
func (a *app) confirm(ctx context.Context, yes bool, verb, question string) error {
	if yes {
		return nil
	}
	answer, err := a.ask(ctx, verb, "--yes", question+" [y/N] ")
	if err != nil {
		return err
	}
	switch strings.ToLower(answer) {
	case "y", "yes", "o", "oui":
		return nil
	default:
		return errDeclined
	}
}

// ask asks for an answer on a terminal. Elsewhere it requires a flag that has it.
func (a *app) ask(ctx context.Context, verb, flag, question string) (string, error) {
	if !a.terminal(a.in) || !a.errTTY {
		return "", usagef("%s needs a confirmation: run it on a terminal, or add %s", verb, flag)
	}
	if _, err := fmt.Fprint(a.err, question); err != nil {
		return "", err
	}
	answer, err := a.readLine(ctx)
	return strings.TrimSpace(answer), err
}

// readLine reads a line of input, until ctx ends. At the end of the input it is an empty line.
func (a *app) readLine(ctx context.Context) (string, error) {
	read := make(chan string, 1)
	go func() { // cannot be stopped; when ctx ends first, the process is about to end
		line, _ := bufio.NewReader(a.in).ReadString('\n')
		read <- line
	}()
	select {
	case line := <-read:
		return line, nil
	case <-ctx.Done():
		_, _ = fmt.Fprintln(a.err)
		return "", ctx.Err()
	}
}
