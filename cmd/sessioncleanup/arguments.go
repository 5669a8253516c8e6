package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sessioncleanup/sessioncleanup"
)

// knownVerb refuses words that are no verb and names the nearest one.
func knownVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("unknown verb %q%s; see %s --help", args[0], suggestion(cmd.SuggestionsFor(args[0])), cmd.CommandPath())
}

// noArguments refuses words behind a verb that takes none.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("%s takes no argument, got %q; see %s --help", cmd.Name(), args[0], cmd.CommandPath())
}

// arguments wants one word for each name.
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

// wrongFlag makes an error about a flag readable: it names the nearest flag, or says what a value should be.
func wrongFlag(cmd *cobra.Command, err error) error {
	see := "; see " + cmd.CommandPath() + " --help"
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return usagef("%w%s%s", err, suggestion(nearFlags(cmd, unknown.GetSpecifiedName())), see)
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		cause := invalid.Unwrap()
		if errors.Is(cause, sessioncleanup.ErrInvalid) { // it names the flag already
			return usagef("%w%s", cause, see)
		}
		if _, ours := errors.AsType[wantError](cause); !ours {
			cause = wantError("a " + invalid.GetFlag().Value.Type())
		}
		return usagef("--%s is %q: %w%s", invalid.GetFlag().Name, invalid.GetValue(), cause, see)
	}
	return usagef("%w%s", err, see)
}

// wantError says what a flag's value should be.
type wantError string

func (e wantError) Error() string { return "want " + string(e) }

// nearFlags are the flags that a word may have meant. Cobra knows which of its verbs are near to a word: it is asked
// about verbs named like the flags.
func nearFlags(cmd *cobra.Command, word string) []string {
	near := &cobra.Command{SuggestionsMinimumDistance: 2}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		near.AddCommand(&cobra.Command{Use: "--" + f.Name, Run: func(*cobra.Command, []string) {}})
	})
	return near.SuggestionsFor("--" + word)
}

func suggestion(near []string) string {
	if len(near) == 0 {
		return ""
	}
	return fmt.Sprintf(", did you mean %s?", strings.Join(near, " or "))
}
