package command

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

func (a *app) pauseCleanup() *cobra.Command {
	var until string
	var length span
	cmd := &cobra.Command{
		Use:   "pause --for DURATION | --until TIME",
		Short: "Pause all cleanup for a while, in every process",
		Long: `pause keeps every run from changing anything until a time: runs of serve, of cron, of other programs and in SQL. A run in
progress ends after its current batch, within 10 seconds. Dry runs and manual changes still work. The pause ends by
itself, or with resume.

Until then cleanup and cron report the pause and exit with 0, and stats, /readyz, the page and the metric
paused_until_timestamp_seconds show it. A new pause replaces the one before. TIME is as for expire.`,
		Example: `  sessioncleanup pause --for 2h --reason "restoring a backup"
  sessioncleanup pause --until "2026-12-31 18:00" --reason "legal asked for all rooms of December"`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (until == "") == (length == 0) {
				return usagef("pause needs --for or --until, one of the two")
			}
			if cmd.Flag(reasonFlag).Value.String() == "" {
				return usagef("pause needs --reason: others will find cleanup paused and want to know why")
			}
			end := func(now time.Time) time.Time { return now.Add(time.Duration(length)) }
			if until != "" {
				var err error
				if end, err = parseTime("--until", until); err != nil {
					return err
				}
			}
			return a.with(func(ctx context.Context, db connection, _ []string) error {
				now, err := db.Now(ctx)
				if err != nil {
					return err
				}
				p, err := db.Pause(ctx, end(now), "")
				if err != nil {
					return err
				}
				return a.reportPause(&p, "Cleanup is paused until "+moment(p.Until)+", "+ago(p.Until, now)+".")
			})(cmd, args)
		},
	}
	cmd.Flags().StringVar(&until, "until", "", "when the pause ends")
	cmd.Flags().Var(&length, "for", "how long it lasts, for example 90m, 36h or 7d")
	return explained(cmd)
}

func (a *app) resumeCleanup() *cobra.Command {
	return explained(&cobra.Command{
		Use:   "resume",
		Short: "End a pause of all cleanup",
		Args:  noArguments,
		RunE: a.with(func(ctx context.Context, db connection, _ []string) error {
			_, paused, err := db.Paused(ctx)
			if err != nil {
				return err
			}
			if !paused {
				return a.reportPause(nil, "Cleanup was not paused.")
			}
			if err := db.Resume(ctx); err != nil {
				return err
			}
			return a.reportPause(nil, "Cleanup is no longer paused.")
		}),
	})
}

// reportPause says how cleanup is now; nil: not paused.
func (a *app) reportPause(p *sessioncleanup.Pause, words string) error {
	if a.json {
		return a.printJSON(struct {
			Pause *sessioncleanup.Pause `json:"pause"`
		}{p})
	}
	return a.say("%s\n", words)
}

// pausedText says until when cleanup is paused, by whom and why.
func pausedText(p sessioncleanup.Pause) string {
	return "cleanup is paused until " + moment(p.Until) + ", by " + printable(p.By) + ": " + printable(p.Reason)
}
