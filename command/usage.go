package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sessioncleanup/sessioncleanup"
)

// usageError is a mistake in how the command was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// knownVerb refuses words that are no verb and names the most similar one.
func knownVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("unknown verb %q%s; see %s --help", args[0], suggestion(cmd.SuggestionsFor(args[0])), cmd.CommandPath())
}

// noArguments refuses arguments of a verb that takes none.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("%s takes no argument, got %q; see %s --help", cmd.Name(), args[0], cmd.CommandPath())
}

// arguments requires one argument for each name.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usagef("%s needs %s; see %s --help", cmd.Name(), strings.Join(names[len(args):], " and "), cmd.CommandPath())
		case len(args) > len(names):
			return usagef("%s takes %s and no more, got %q; see %s --help", cmd.Name(), strings.Join(names, " and "), args[len(names)], cmd.CommandPath())
		}
		return nil
	}
}

// onlyWith refuses flags that have no effect because something else is not given.
func onlyWith(given bool, what string, flags *pflag.FlagSet, names []string) error {
	for _, name := range names {
		if !given && flags.Changed(name) {
			return usagef("--%s has no effect without %s", name, what)
		}
	}
	return nil
}

// noneEmpty refuses flags with an empty value. A variable of a script that is not set must not mean all sessions, or the
// database of the environment.
func noneEmpty(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		if err == nil && f.Value.Type() == "string" && f.Value.String() == "" { // other types refuse it themselves
			err = usagef(`--%s is "": want a value, or leave the flag out`, f.Name)
		}
	})
	return err
}

// wrongFlag makes an error about a flag readable: it names the most similar flag, or says what a value should be.
func wrongFlag(cmd *cobra.Command, err error) error {
	see := "; see " + cmd.CommandPath() + " --help"
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return usagef("%w%s%s", err, suggestion(similarFlags(cmd, unknown.GetSpecifiedName())), see)
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		cause := invalid.Unwrap()
		if errors.Is(cause, sessioncleanup.ErrInvalid) { // it already names the flag
			return usagef("%w%s", cause, see)
		}
		if _, ours := errors.AsType[wantError](cause); !ours {
			cause = wantOf(invalid.GetFlag().Value)
		}
		return usagef("--%s is %q: %w%s", invalid.GetFlag().Name, invalid.GetValue(), cause, see)
	}
	return usagef("%w%s", err, see)
}

// wantOf says what a flag takes that does not say so itself.
func wantOf(v pflag.Value) wantError {
	if v.Type() == "bool" {
		return "true or false"
	}
	return wantError("a " + v.Type())
}

// similarFlags are the flags that a word may have meant. Cobra only finds similar verbs, so it is asked about verbs that
// are named like the flags.
func similarFlags(cmd *cobra.Command, word string) []string {
	verbs := &cobra.Command{SuggestionsMinimumDistance: 2}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		verbs.AddCommand(&cobra.Command{Use: "--" + f.Name, Run: func(*cobra.Command, []string) {}})
	})
	return verbs.SuggestionsFor("--" + word)
}

// suggestion names what a word may have meant, each once: cobra names a verb once for each reason to suggest it.
func suggestion(similar []string) string {
	similar = slices.Compact(slices.Sorted(slices.Values(similar)))
	if len(similar) == 0 {
		return ""
	}
	return fmt.Sprintf(", did you mean %s?", strings.Join(similar, " or "))
}
