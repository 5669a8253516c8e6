package notify

import (
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Alerts of notices that statistics do not have.
const (
	AlertOverdue       sessioncleanup.AlertCode = "cleanup_overdue" // a scheduled run is late. Args: by how long, if known
	AlertDeletionLimit sessioncleanup.AlertCode = "deletion_limit"  // instead of AlertCleanupFailed. Args: the run's id, sessions due for deletion
)

// alertsOf are the alerts to tell operators about: those of the figures, but a run that the deletion limit stopped is no failed
// run, and one that was interrupted has not failed; the next one goes on.
func alertsOf(s sessioncleanup.Stats) []sessioncleanup.Alert {
	alerts := make([]sessioncleanup.Alert, 0, len(s.Alerts))
	for _, alert := range s.Alerts {
		if alert.Code == sessioncleanup.AlertCleanupFailed && s.LastRun != nil && s.LastRun.Run != nil {
			switch run := s.LastRun.Run; run.Outcome() {
			case sessioncleanup.OutcomeRefused:
				due := run.Phases.Of(sessioncleanup.ActionDeleted).Due
				alert = sessioncleanup.Alert{Code: AlertDeletionLimit, Message: alert.Message, Args: []any{s.LastRun.RunID, due}}
			case sessioncleanup.OutcomeInterrupted:
				continue
			}
		}
		alerts = append(alerts, alert)
	}
	return alerts
}

// Samples returns notices of every kind, to preview the texts.
func Samples() []Notice {
	at := time.Date(2026, 11, 29, 3, 0, 0, 0, time.UTC)
	const run = "TZ4VVXNLTQXZRBTNPVRPJ3QOVC"
	due := func(deleted int) sessioncleanup.Phases {
		return sessioncleanup.Phases{
			{Action: sessioncleanup.ActionDeleted, Due: deleted},
			{Action: sessioncleanup.ActionDeactivated, Due: 12, Done: 12},
		}
	}
	stats := sessioncleanup.Stats{
		Counts: sessioncleanup.Counts{Total: 240, Active: 100, Inactive: 140, DueForDeactivation: 10, DueForDeletion: 140},
		At:     at,
		LastRun: &sessioncleanup.Event{
			At: at, RunID: run, Run: &sessioncleanup.RunSummary{StartedAt: at, Phases: due(140), Error: "database unavailable"},
		},
	}
	var notices []Notice
	for _, alert := range []sessioncleanup.Alert{
		{Code: sessioncleanup.AlertTooManyDue, Message: "150 sessions are due for cleanup, more than 100", Args: []any{150, 100}},
		{Code: sessioncleanup.AlertLowUse, Message: "2% of the sessions that were recently in use still are, fewer than 5%: is their use recorded?", Args: []any{2.0, 5.0}},
		{Code: sessioncleanup.AlertLowActivity, Message: "42% of the sessions are active, fewer than 50%", Args: []any{42.0, 50.0}},
		{Code: sessioncleanup.AlertCleanupFailed, Message: "the last run failed", Args: []any{run, "clean up: database unavailable: connection refused"}},
		{Code: AlertDeletionLimit, Message: "the deletion limit stopped the last run", Args: []any{run, 140}},
		{Code: sessioncleanup.AlertCleanupIncomplete, Message: "the last run could not clean up 3 sessions", Args: []any{run, 3}},
		{Code: sessioncleanup.AlertUndeliverable, Message: "the owners of 7 sessions could not be warned", Args: []any{7}},
		{Code: sessioncleanup.AlertOutboxStuck, Message: "12 warnings are not delivered", Args: []any{12, 31 * time.Hour}},
		{Code: sessioncleanup.AlertClockWrong, Message: "the clocks differ", Args: []any{25 * time.Minute}},
		{Code: AlertOverdue, Message: "a run is overdue", Args: []any{65 * time.Minute}},
		{Code: "cleanup_idle", Message: "the last run changed nothing, with 150 sessions due"},
		{Code: "database_invalid", Message: "the trigger on propositions is disabled"},
	} {
		notices = append(notices,
			Notice{Code: alert.Code, Service: "app", At: at, Alert: alert, Stats: stats},
			Notice{Code: alert.Code, Service: "app", At: at.Add(time.Hour), Ended: true, Stats: stats})
	}
	return notices
}
