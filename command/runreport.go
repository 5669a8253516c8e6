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
	said := ""
	total := r.result.Phases.Total()
	if errors.Is(r.err, context.Canceled) && total.Done > 0 {
		said = fmt.Sprintf("Interrupted with %s of %s done; the next run continues from there.\n", number(total.Done), sessionCount(total.Due))
	}
	if r.err == nil || total.Done+total.Failed > 0 {
		said += r.resultText(r.result)
	}
	if b := r.result.Backup; b != nil && b.Entries > 0 {
		said += backedUpText(*b)
	}
	err := r.print(said)
	r.warnAboutBackup()
	return errors.Join(err, r.failure())
}

func backedUpText(b sessioncleanup.BackupResult) string {
	return fmt.Sprintf("Backed up %s to %s.\n", counted(b.Entries, "deleted session", "deleted sessions"), strings.Join(b.Files, ", "))
}

// warnAboutBackup says what could not be backed up. That is a warning: the run did not fail.
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

// resultText describes the result of a run, or of a dry run.
func (a *app) resultText(r sessioncleanup.Result) string {
	if r.DryRun {
		return a.dryRunText(r)
	}
	said := a.untrackedText(r.Cutoffs.Untracked) + waitingText(r.Waiting)
	total := r.Phases.Total()
	if total.Due == 0 {
		return said + "Nothing was due.\n"
	}
	said += fmt.Sprintf("%s, in %s (%s, the longest %s). Run %s.\n", capital(doneText(r.Phases)), r.Duration.Round(time.Millisecond),
		counted(r.Batches, "batch", "batches"), r.LongestBatch.Round(time.Millisecond), r.RunID)
	skipped := make([][]cell, len(r.Skipped))
	for i, s := range r.Skipped {
		skipped[i] = []cell{text(s.SessionID), text("not " + string(s.Action)).in(yellow), text(s.Reason)}
	}
	failed := make([][]cell, len(r.Failures))
	for i, f := range r.Failures {
		failed[i] = []cell{text(f.SessionID), text("not " + string(f.Action)).in(red), text(f.Error)}
	}
	return said + a.undoneText("left for the next run", total.Skipped, skipped) + a.undoneText("could not be changed", total.Failed, failed)
}

// undoneText names sessions that were due and not changed, if there are any: all, or the first of them.
func (a *app) undoneText(why string, count int, rows [][]cell) string {
	if count == 0 {
		return ""
	}
	return fmt.Sprintf("%s %s:\n", sessionCount(count), why) + a.table(rows) + moreText(count-len(rows))
}

// moreText says how many elements a list leaves out, if it does.
func moreText(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf("  … and %s more\n", number(n))
}

// untrackedWarning says why idle sessions of a table are never due, and what to do about it.
const untrackedWarning = "Warning: the table is untracked: nothing shows when its sessions are used, so only sessions with an expiry are cleaned up. " +
	"Name a column or a table that shows activity in a file for --schema, or enable the idle rules with: sessioncleanup migrate --untracked"

func (a *app) untrackedText(untracked bool) string {
	if !untracked {
		return ""
	}
	return a.paint(yellow, untrackedWarning) + "\n"
}

func (a *app) dryRunText(r sessioncleanup.Result) string {
	said := a.untrackedText(r.Cutoffs.Untracked)
	due := r.Phases.Total().Due
	if due == 0 {
		return said + "Nothing is due.\n" + waitingText(r.Waiting) + a.rulesText(r.Rules)
	}
	said += fmt.Sprintf("A run would %s.\n", planText(r.Phases)) + waitingText(r.Waiting)
	said += a.sessionTable(r.Sessions) + moreText(due-len(r.Sessions))
	said += a.dependentsText("Deleted along with the sessions", r.Dependents) + a.rulesText(r.Rules)
	if r.Refused != nil {
		said += a.paint(yellow, refusedText(r.Refused)) + "\n"
	}
	return said
}

// rulesText says for how many sessions each rule by tag decides, if there are rules.
func (a *app) rulesText(rules []sessioncleanup.RuleEffect) string {
	if len(rules) == 0 {
		return ""
	}
	rows := [][]cell{header("RULE FOR", "DELETES", "KEEPS FROM DELETION", "DEACTIVATES", "KEEPS ACTIVE")}
	more := false
	for _, r := range rules {
		rows = append(rows, []cell{text(r.Tag), figure(r.Deletes), figure(r.KeepsFromDeletion), figure(r.Deactivates), figure(r.KeepsActive)})
		more = more || r.More
	}
	if !more {
		return a.table(rows)
	}
	return a.table(rows) + "  There are more: the rules' figures are those of 10,000 sessions of each kind.\n"
}

// waitingText says how many sessions only wait for their warning, if any do.
func waitingText(count int) string {
	if count == 0 {
		return ""
	}
	return fmt.Sprintf("Due for deletion, but waiting for the warning to the owner: %s. To see them: list --status waiting.\n", sessionCount(count))
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
