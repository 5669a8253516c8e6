package main

import (
	"context"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/sessioncleanup/sessioncleanup"
)

func (a *app) printStats(s sessioncleanup.Stats) error {
	share := func(rate float64) cell { return text(fmt.Sprintf("%.0f %% of all", 100*rate)) }
	rows := [][]cell{
		{text("Sessions"), figure(s.Total)},
		{text("Active"), figure(s.Active), share(s.ActivityRate)},
		{text("Inactive"), figure(s.Inactive)},
		{text("Old"), figure(s.Old), text("unused for longer than the time to deletion")},
		{text("Protected"), figure(s.Protected), text("nothing automatic happens to them")},
		{text("Due for deactivation"), figure(s.DueForDeactivation)},
		{text("Due for deletion"), figure(s.DueForDeletion)},
		{text("Cleanup candidates"), figure(s.CleanupCandidates).in(bold), share(s.CleanupEfficiency)},
	}
	if s.CleanupCandidates > 0 {
		rows = append(rows, texts("Longest overdue", "", humanize.RelTime(s.At.Add(-s.OldestOverdue), s.At, "", "")))
	}
	if s.LastRun != nil && s.LastRun.Run != nil {
		rows = append(rows, texts("Last run", "", ago(s.LastRun.At, s.At)+": "+runText(s.LastRun.Run)))
	}
	if err := a.table(rows); err != nil {
		return err
	}
	for _, alert := range s.Alerts {
		if err := a.say("  %s\n", a.paint(red, "! "+printable(alert.Message)+" ("+string(alert.Code)+")")); err != nil {
			return err
		}
	}
	return nil
}

func runText(r *sessioncleanup.RunSummary) string {
	done := fmt.Sprintf("%s deleted, %s deactivated", number(r.Deleted), number(r.Deactivated))
	if r.Failures > 0 {
		done += fmt.Sprintf(", %s failed", number(r.Failures))
	}
	switch r.Error {
	case "":
	case context.Canceled.Error():
		done += "; it was interrupted"
	default:
		done += "; it ended with: " + r.Error
	}
	return done
}

func (a *app) printSessions(sessions []sessioncleanup.Session, now time.Time) error {
	rows := [][]cell{header("ID", "NAME", "OWNER", "STATUS", "LAST ACTIVITY", "EXPIRES", "ACTIVITY")}
	rows[0][6].right = true
	for _, s := range sessions {
		owner := s.OwnerName
		if owner == "" {
			owner = s.OwnerID
		}
		rows = append(rows, []cell{
			text(s.ID), text(s.Name), text(owner), statusCell(s.Status), text(ago(s.LastActivity, now)), text(ago(s.ExpiresAt, now)),
			{text: humanize.Comma(s.ActivityCount), right: true},
		})
	}
	return a.table(rows)
}

func (a *app) printResult(p sessioncleanup.Policy, r sessioncleanup.Result) error {
	if r.DryRun {
		return a.printSimulation(p, r)
	}
	if r.Deleted+r.Deactivated+r.Failed == 0 {
		return a.say("Nothing was due.\n")
	}
	if err := a.say("Deleted %s, deactivated %s, in %s (%d batches, the longest %s). Run %s.\n", sessionCount(r.Deleted), number(r.Deactivated),
		r.Duration.Round(time.Millisecond), r.Batches, r.LongestBatch.Round(time.Millisecond), r.RunID); err != nil {
		return err
	}
	return a.printFailures(r)
}

func (a *app) printSimulation(p sessioncleanup.Policy, r sessioncleanup.Result) error {
	if r.Due == 0 {
		return a.say("Nothing is due.\n")
	}
	if err := a.say("A run would delete %s and deactivate %s.\n", sessionCount(r.Deleted), number(r.Deactivated)); err != nil {
		return err
	}
	if len(r.Sessions) > 0 {
		if err := a.printSessions(r.Sessions, r.Cutoffs.Now); err != nil {
			return err
		}
		if more := r.Due - len(r.Sessions); more > 0 {
			if err := a.say("  … and %s more\n", number(more)); err != nil {
				return err
			}
		}
	}
	if r.Brake != nil {
		return a.say("%s\n", a.paint(yellow, fmt.Sprintf("The brake would stop it: that is more than %g %% of all sessions. If it is meant, add --force.",
			100*p.MaxDeleteFraction)))
	}
	return nil
}

func (a *app) printFailures(r sessioncleanup.Result) error {
	if r.Failed == 0 {
		return nil
	}
	if err := a.say("%s could not be changed:\n", sessionCount(r.Failed)); err != nil {
		return err
	}
	rows := make([][]cell, len(r.Failures))
	for i, f := range r.Failures {
		rows[i] = []cell{text(f.SessionID), text("not " + string(f.Action)).in(red), text(f.Error)}
	}
	return a.table(rows)
}
