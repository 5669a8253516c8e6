package command

import (
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// shells are the shells that completion prints a script for.
var shells = map[string]func(root *cobra.Command, out io.Writer) error{
	"bash":       func(root *cobra.Command, out io.Writer) error { return root.GenBashCompletionV2(out, true) },
	"fish":       func(root *cobra.Command, out io.Writer) error { return root.GenFishCompletion(out, true) },
	"powershell": (*cobra.Command).GenPowerShellCompletionWithDesc,
	"zsh":        (*cobra.Command).GenZshCompletion,
}

func (a *app) completion() *cobra.Command {
	names := slices.Sorted(maps.Keys(shells))
	return &cobra.Command{
		Use:   "completion " + strings.Join(names, "|"),
		Short: "Print a script that completes verbs and flags in a shell",
		Example: `  source <(sessioncleanup completion bash)
  sessioncleanup completion zsh > "${fpath[1]}/_sessioncleanup"`,
		Args:      arguments("a shell: " + strings.Join(names, ", ")),
		ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) error {
			write, ok := shells[args[0]]
			if !ok {
				return usagef("unknown shell %q: want one of %s", args[0], strings.Join(names, ", "))
			}
			return write(cmd.Root(), a.out)
		},
	}
}

// completeWith offers the values of a flag to the shell's completion.
func completeWith[T ~string](cmd *cobra.Command, flag string, values []T) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(wordsOf(values), cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // a flag that the verb does not have
	}
}
