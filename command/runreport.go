package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// runReport reports a run, including one that ended with an error.
type runReport struct {
	*app
	result sessioncleanup.Result
	err    error
}

// noRun is the reason why there was no run although nothing failed; empty when there was one.
func (r runReport) noRun() string {
	held, isHeld := errors.AsType[*sessioncleanup.LeaseHeldError](r.err)
	paused, isPaused := errors.AsType[*sessioncleanup.PausedError](r.err)
	switch {
	case isHeld:
		return fmt.Sprintf("another run is already running, until %s at the latest unless it renews its lease", moment(held.Until))
	case isPaused && r.result.Batches == 0:
		return pausedText(paused.Pause)
	case errors.Is(r.err, sessioncleanup.ErrDisabled):
		return "cleanup is disabled, by " + sessioncleanup.EnvEnabled + " or the stored policy"
	default:
		return ""
	}
}

// failure is the error that the command ends with.
func (r runReport) failure() error {
	failed := r.result.Phases.Total().Failed
	switch {
	case r.noRun() != "":
		return nil
	case r.err == nil && failed > 0:
		return fmt.Errorf("%s could not be changed", sessionCount(failed))
	default:
		return r.err
	}
}

// words reports to a person.
func (r runReport) words() error {
	if why := r.noRun(); why != "" {
		return r.say("%s. Nothing was done.\n", capital(why))
	}
	total := r.result.Phases.Total()
	if errors.Is(r.err, context.Canceled) && total.Done > 0 {
		if err := r.say("Interrupted with %s of %s done; the next run continues from there.\n", number(total.Done), sessionCount(total.Due)); err != nil {
			return err
		}
	}
	if r.err == nil || total.Done+total.Failed > 0 {
		if err := r.printResult(r.result); err != nil {
			return errors.Join(r.err, err)
		}
	}
	return errors.Join(r.sayBackup(), r.failure())
}

// sayBackup says what was backed up. That something could not be is a warning: the run did not fail.
func (r runReport) sayBackup() error {
	b := r.result.Backup
	if b == nil {
		return nil
	}
	r.warnAboutBackup()
	if b.Entries == 0 {
		return nil
	}
	return r.say("Backed up %s to %s.\n", counted(b.Entries, "deleted session", "deleted sessions"), strings.Join(b.Files, ", "))
}

func (r runReport) warnAboutBackup() {
	if b := r.result.Backup; b != nil && b.Error != "" {
		r.complain(fmt.Sprintf("warning: %s: %s", counted(b.Waiting, "archived session without a backup, which is not purged", "archived sessions without a backup, which are not purged"), b.Error))
	}
}

// line reports to a log: one line when something was done, none otherwise.
func (r runReport) line() error {
	r.warnAboutBackup()
	if r.result.Phases.Total().Done == 0 {
		return r.failure()
	}
	line := "would " + planText(r.result.Phases)
	if !r.result.DryRun {
		line = fmt.Sprintf("%s, in %s, run %s", doneText(r.result.Phases), r.result.Duration.Round(time.Millisecond), r.result.RunID)
	}
	if r.result.Cutoffs.Untracked {
		line += "; the table is untracked, see validate"
	}
	if err := r.say("%s %s\n", time.Now().Format(time.RFC3339), line); err != nil {
		return errors.Join(r.err, err)
	}
	return r.failure()
}

// jsonReport is the JSON form of a runReport.
type jsonReport struct {
	sessioncleanup.Result
	// The sessions deleted and deactivated, as in Phases.
	CountDeleted     int    `json:"deleted"`
	CountDeactivated int    `json:"deactivated"`
	NoRun            string `json:"no_run,omitempty"` // why there was no run
	Error            string `json:"error,omitempty"`
}

// json reports to a program. With --cron it is one line, and none when nothing was done.
func (r runReport) json(cron bool) error {
	if cron {
		r.warnAboutBackup()
	}
	out := jsonReport{
		Result: r.result, CountDeleted: r.result.Deleted(), CountDeactivated: r.result.Deactivated(), NoRun: r.noRun(),
	}
	failure := r.failure()
	if failure != nil {
		out.Error = failure.Error()
	}
	if !cron {
		return errors.Join(failure, r.printJSON(out))
	}
	if r.result.Phases.Total().Done == 0 {
		return failure
	}
	return errors.Join(failure, json.NewEncoder(r.out).Encode(out))
}

// printResult prints the result of a run, or of a dry run.
func (a *app) printResult(r sessioncleanup.Result) error {
	if r.DryRun {
		return a.printDryRun(r)
	}
	if err := a.sayUntracked(r.Cutoffs.Untracked); err != nil {
		return err
	}
	if err := a.sayWaiting(r.Waiting); err != nil {
		return err
	}
	total := r.Phases.Total()
	if total.Due == 0 {
		return a.say("Nothing was due.\n")
	}
	if err := a.say("%s, in %s (%s, the longest %s). Run %s.\n", capital(doneText(r.Phases)), r.Duration.Round(time.Millisecond),
		counted(r.Batches, "batch", "batches"), r.LongestBatch.Round(time.Millisecond), r.RunID); err != nil {
		return err
	}
	skipped := make([][]cell, len(r.Skipped))
	for i, s := range r.Skipped {
		skipped[i] = []cell{text(s.SessionID), text("not " + string(s.Action)).in(yellow), text(s.Reason)}
	}
	if err := a.sayUndone("left for the next run", total.Skipped, skipped); err != nil {
		return err
	}
	failed := make([][]cell, len(r.Failures))
	for i, f := range r.Failures {
		failed[i] = []cell{text(f.SessionID), text("not " + string(f.Action)).in(red), text(f.Error)}
	}
	return a.sayUndone("could not be changed", total.Failed, failed)
}

// sayUndone names sessions that were due and not changed, if there are any: all, or the first of them.
func (a *app) sayUndone(why string, count int, rows [][]cell) error {
	if count == 0 {
		return nil
	}
	if err := a.say("%s %s:\n", sessionCount(count), why); err != nil {
		return err
	}
	if err := a.table(rows); err != nil {
		return err
	}
	if more := count - len(rows); more > 0 {
		return a.say("  … and %s more\n", number(more))
	}
	return nil
}

// untrackedWarning says why idle sessions of a table are never due, and what to do about it.
const untrackedWarning = "Warning: the table is untracked: nothing shows when its sessions are used, so only sessions with an expiry are cleaned up. " +
	"Name a column or a table that shows activity in a file for --schema, or enable the idle rules with: sessioncleanup migrate --untracked"

func (a *app) sayUntracked(untracked bool) error {
	if !untracked {
		return nil
	}
	return a.say("%s\n", a.paint(yellow, untrackedWarning))
}

func (a *app) printDryRun(r sessioncleanup.Result) error {
	if err := a.sayUntracked(r.Cutoffs.Untracked); err != nil {
		return err
	}
	due := r.Phases.Total().Due
	if due == 0 {
		if err := a.say("Nothing is due.\n"); err != nil {
			return err
		}
		if err := a.sayWaiting(r.Waiting); err != nil {
			return err
		}
		return a.sayRules(r.Rules)
	}
	if err := a.say("A run would %s.\n", planText(r.Phases)); err != nil {
		return err
	}
	if err := a.sayWaiting(r.Waiting); err != nil {
		return err
	}
	if err := a.printSessions(r.Sessions); err != nil {
		return err
	}
	if more := due - len(r.Sessions); more > 0 {
		if err := a.say("  … and %s more\n", number(more)); err != nil {
			return err
		}
	}
	if err := a.sayDependents("Deleted along with the sessions", r.Dependents); err != nil {
		return err
	}
	if err := a.sayRules(r.Rules); err != nil || r.Refused == nil {
		return err
	}
	return a.say("%s\n", a.paint(yellow, refusedText(r.Refused)))
}

// sayRules says for how many sessions each rule by tag decides, if there are rules.
func (a *app) sayRules(rules []sessioncleanup.RuleEffect) error {
	if len(rules) == 0 {
		return nil
	}
	rows := [][]cell{header("RULE FOR", "DELETES", "KEEPS FROM DELETION", "DEACTIVATES", "KEEPS ACTIVE")}
	more := false
	for _, r := range rules {
		rows = append(rows, []cell{text(r.Tag), figure(r.Deletes), figure(r.KeepsFromDeletion), figure(r.Deactivates), figure(r.KeepsActive)})
		more = more || r.More
	}
	if err := a.table(rows); err != nil || !more {
		return err
	}
	return a.say("  There are more: the rules' figures are those of 10,000 sessions of each kind.\n")
}

// sayWaiting says how many sessions only wait for their warning, if any do.
func (a *app) sayWaiting(count int) error {
	if count == 0 {
		return nil
	}
	return a.say("Due for deletion, but waiting for the warning to the owner: %s. To see them: list --status waiting.\n", sessionCount(count))
}

// refusedText says that the deletion limit would stop a run, how to see the sessions, and how to allow the deletion.
func refusedText(refused *sessioncleanup.TooManyError) string {
	limit := fmt.Sprintf("more than %g%% of all sessions", 100*refused.Fraction)
	if refused.AtMost > 0 {
		limit = fmt.Sprintf("more than the %s that --force allows", number(refused.AtMost))
	}
	return fmt.Sprintf("The deletion limit would stop the deletion: %s are due for it, %s. To see them: list --status to_delete. "+
		"If that is intended, allow it once with --force, or --force=%d for at most this many.", sessionCount(refused.Due), limit, refused.Due)
}

// runText says what a run did and how it ended.
func runText(r *sessioncleanup.RunSummary) string {
	done := doneText(r.Phases)
	if r.Backup != nil && r.Backup.Error != "" {
		done += "; the archive was not backed up: " + r.Backup.Error
	}
	switch r.Error {
	case "":
		return done
	case context.Canceled.Error():
		return done + "; it was interrupted"
	default:
		return done + "; it ended with: " + r.Error
	}
}

// doneText says what the phases of a run did: "deleted 2 sessions, deactivated 1, skipped 3, failed 1".
func doneText(p sessioncleanup.Phases) string {
	parts := phaseTexts(p, func(a sessioncleanup.Action) string {
		if a == sessioncleanup.ActionNoticed {
			return "put into the outbox warnings of"
		}
		return string(a)
	})
	total := p.Total()
	if total.Skipped > 0 {
		parts = append(parts, "skipped "+number(total.Skipped))
	}
	if total.Failed > 0 {
		parts = append(parts, "failed "+number(total.Failed))
	}
	if len(parts) == 0 {
		return "no phase is on"
	}
	return strings.Join(parts, ", ")
}

// planText says what the phases of a run would do: "delete 2 sessions and deactivate 1".
func planText(p sessioncleanup.Phases) string {
	verbs := map[sessioncleanup.Action]string{sessioncleanup.ActionPurged: "purge", sessioncleanup.ActionDeleted: "delete", sessioncleanup.ActionNoticed: "warn of", sessioncleanup.ActionDeactivated: "deactivate"}
	return strings.Join(phaseTexts(p, func(a sessioncleanup.Action) string { return verbs[a] }), " and ")
}

// phaseTexts has a verb with a count for each phase.
func phaseTexts(p sessioncleanup.Phases, verb func(sessioncleanup.Action) string) []string {
	parts := make([]string, 0, len(p)+2)
	for i, phase := range p {
		count := number(phase.Done)
		if i == 0 {
			count = sessionCount(phase.Done)
		}
		parts = append(parts, verb(phase.Action)+" "+count)
	}
	return parts
}
