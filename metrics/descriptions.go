package metrics

import "github.com/prometheus/client_golang/prometheus"

const namespace = "sessioncleanup"

// descriptions are those of the metrics that are not counted from the log.
var descriptions []*prometheus.Desc

func describe(name, help string, labels ...string) *prometheus.Desc {
	d := prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	descriptions = append(descriptions, d)
	return d
}

// The metrics that are not counted from the log.
var (
	buildInfo        = describe("build_info", "The version of the program, as labels; always 1.", "version", "goversion")
	databaseUp       = describe("database_up", "Whether the database answered when it was asked last.")
	enabled          = describe("enabled", "Whether the policy allows cleanups.")
	pausedUntil      = describe("paused_until_timestamp_seconds", "Until when all cleanup is paused; 0 while it is not.")
	readingDuration  = describe("reading_duration_seconds", "How long the database took to answer for these metrics.")
	readingTime      = describe("reading_timestamp_seconds", "When the database was asked for the figures below.")
	overdue          = describe("run_overdue_seconds", "For how long a run that this process scheduled is late without progress; 0 below 5 minutes.")
	scheduleInterval = describe("schedule_interval_seconds", "The longest time between two scheduled runs.")

	sessions          = describe("sessions", "Sessions.", "state")
	oldSessions       = describe("sessions_old", "Sessions last used longer ago than the policy's deletion threshold, whatever their state.")
	protectedSessions = describe("sessions_protected", "Sessions that nothing automatic happens to.")
	neverDueSessions  = describe("sessions_never_due", "Active sessions that nothing ever makes due, such as those with a time that cannot be read.")
	inUseSessions     = describe("sessions_in_use", "Sessions used within the policy's threshold of inactivity, whatever their state.")
	recentSessions    = describe("sessions_recent", "Sessions used within twice the policy's threshold of inactivity.")
	taggedSessions    = describe("sessions_tagged", "Sessions with a tag that has a rule in the policy.", "tag", "state")
	taggedDue         = describe("sessions_tagged_due", "Sessions that a run would change now, with a tag that has a rule in the policy.", "tag", "phase")
	due               = describe("sessions_due", "Sessions that a run would change now; of the archive for the phase purge.", "phase")
	oldestOverdue     = describe("oldest_overdue_seconds", "For how long the session that is due the longest has been due.")
	clockDifference   = describe("clock_difference_seconds", "By how much the database's clock is ahead of the process's; 0 up to 10 minutes.")
	logPosition       = describe("log_position", "The newest event of the audit log that the counters include.")
	lastSuccess       = describe("last_success_timestamp_seconds", "When the last run over all sessions ended without an error.")
	scheduleStart     = describe("schedule_start_timestamp_seconds", "When a scheduler first started on this database.")
	lastRun           = describe("last_run", "Whether the last run over all sessions had this outcome.", "outcome")
	lastRunTime       = describe("last_run_timestamp_seconds", "When the last run over all sessions ended.")
	lastRunFailures   = describe("last_run_failures", "Sessions that the last run over all sessions could not change.")
	lastRunBackup     = describe("last_run_backup_failed", "Whether the last run over all sessions left archived sessions without a backup because that failed.")

	waitingSessions     = describe("sessions_waiting", "Sessions that are due for deletion, but for their warning.")
	outboxPending       = describe("outbox_pending", "Warnings to owners that are neither delivered nor given up.")
	outboxUndeliverable = describe("outbox_undeliverable", "Warnings to owners that were given up.")
	outboxOldest        = describe("outbox_oldest_seconds", "For how long the oldest pending warning has been in the outbox; 0 when there is none.")

	archiveEntries = describe("archive_entries", "Deleted sessions in the archive.")
	archiveBytes   = describe("archive_bytes", "The size of the rows in the archive, as the database keeps them.")
)
