package sessioncleanup

import (
	"context"
	"fmt"
	"time"
)

// Stats are the figures of all sessions, or of one owner's, and what follows from them. The names of the JSON fields
// are those of docs/guide.md.
type Stats struct {
	Counts
	At time.Time `json:"at"` // the store's clock when the sessions were counted

	// Waiting is the number of sessions that are due for deletion except for their warning; see Policy.WarnBefore. They
	// do not count as candidates.
	Waiting int `json:"waiting_sessions"`
	// Outbox is what is in the store's outbox; nil without Policy.WarnBefore, and for an owner's figures.
	Outbox *OutboxSize `json:"outbox,omitempty"`

	CleanupCandidates    int     `json:"cleanup_candidates"`     // due for deactivation + due for deletion
	ActivityRate         float64 `json:"activity_rate"`          // active / total; 0 when there are no sessions
	UseRate              float64 `json:"use_rate"`               // in use / recent; 0 when none is recent
	CleanupEfficiency    float64 `json:"cleanup_efficiency"`     // candidates / total; 0 when there are no sessions
	OldestOverdueSeconds float64 `json:"oldest_overdue_seconds"` // Counts.OldestOverdue

	// LastRun is the event of the last run; nil when there was none, and for an owner's figures.
	LastRun *Event `json:"last_run,omitempty"`
	// ClockDifference is Manager.ClockDifference at the time of the figures; 0 for an owner's.
	ClockDifference time.Duration `json:"-"`
	// FutureRun is the last run that began later than now, which does not count; nil when there is none, and for an owner's
	// figures.
	FutureRun *Event `json:"-"`
	// Pause is the pause of all cleanup that holds; nil when none does, and for an owner's figures.
	Pause  *Pause  `json:"pause,omitempty"`
	Alerts []Alert `json:"alerts"`
}

// Alert is a condition that an operator should look at.
type Alert struct {
	Code AlertCode `json:"code"`
	// Message describes the alert in English. It may quote an error of the database.
	Message string `json:"message"`
	// Args are the values in the message, for texts in other languages: see the codes.
	Args []any `json:"-"`
}

// AlertCode tells alerts apart.
type AlertCode string

// The alerts that the guide recommends, and others. The limits are in the Policy.
const (
	AlertTooManyDue        AlertCode = "too_many_due"       // Args: sessions due, Policy.AlertDue
	AlertLowActivity       AlertCode = "low_activity"       // Args: percent active, Policy.AlertActivityRate in percent
	AlertLowUse            AlertCode = "low_use"            // Args: percent still in use, Policy.AlertUseRate in percent
	AlertCleanupFailed     AlertCode = "cleanup_failed"     // the last run ended with an error. Args: the run's id, the error
	AlertCleanupIncomplete AlertCode = "cleanup_incomplete" // it could not change some sessions. Args: the run's id, how many
	AlertBackupFailed      AlertCode = "backup_failed"      // it could not back the archive up. Args: the run's id, entries waiting, the error
	AlertUndeliverable     AlertCode = "undeliverable"      // owners could not be warned. Args: sessions whose warning was given up
	AlertOutboxStuck       AlertCode = "outbox_stuck"       // warnings are not sent. Args: how many, for how long the oldest waits
	AlertClockWrong        AlertCode = "clock_wrong"        // the store's clock differs from the process's. Args: by how much
)

// Stats returns the figures of one owner's sessions or, with an empty owner, of all sessions that the caller may see.
func (m *Manager) Stats(ctx context.Context, owner string) (Stats, error) {
	return m.stats(ctx, Filter{OwnerID: owner})
}

// TaggedStats returns Stats of the sessions that tags select, as Filter.Tags does, without runs and pauses. It fails
// with errors.ErrUnsupported when the store keeps no tags.
func (m *Manager) TaggedStats(ctx context.Context, owner, tags string) (Stats, error) {
	return m.stats(ctx, Filter{OwnerID: owner, Tags: tags})
}

func (m *Manager) stats(ctx context.Context, f Filter) (Stats, error) {
	const operation = "count sessions"
	var err error
	if f.OwnerID, err = m.scope(operation, f.OwnerID); err != nil {
		return Stats{}, err
	}
	if err := m.filterTags(operation, f.Tags); err != nil {
		return Stats{}, err
	}
	if f.OwnerID == "" {
		if m, err = m.reread(ctx); err != nil {
			return Stats{}, fmt.Errorf("%s: %w", operation, err)
		}
	}
	asked := since()
	counted, err := m.count(ctx, f)
	if err != nil {
		return Stats{}, fmt.Errorf("%s: %w", operation, err)
	}
	s, err := m.statsOf(ctx, f, counted, counted.Cutoffs.Now, asked)
	return wrapped(operation, s, err)
}

// RecentStats returns Stats that may be older; Stats.At says how old. Counting all sessions takes at most 5% of one
// core, however often and by however many processes it is called. So the figures are up to 20 times as old as counting
// takes; when counting takes milliseconds, they are current. The first call waits for the figures; ErrNotCounted means
// that ctx ended before they were ready.
func (m *Manager) RecentStats(ctx context.Context, owner string) (Stats, error) {
	const operation = "count sessions"
	owner, err := m.scope(operation, owner)
	if err != nil {
		return Stats{}, err
	}
	if owner != "" {
		return m.Stats(ctx, owner)
	}
	f, err := share(ctx, m, fmt.Sprintf("figures %+v", m.policy.Thresholds()), func(ctx context.Context) (figures, error) { return m.count(ctx, Filter{}) })
	if err != nil {
		return Stats{}, fmt.Errorf("%s: %w", operation, err)
	}
	asked := since()
	now, err := m.store.Now(ctx)
	if err != nil {
		return Stats{}, fmt.Errorf("%s: %w", operation, err)
	}
	s, err := m.statsOf(ctx, Filter{}, f.Value, now, asked)
	return wrapped(operation, s, err)
}

// figures are what is counted for Stats. As JSON, nothing of them is lost.
type figures struct {
	Counts  Counts
	Overdue time.Duration // Counts.OldestOverdue
	Cutoffs Cutoffs       // Counts.Cutoffs
	Waiting int
	Outbox  *OutboxSize
}

// count counts the sessions that a filter selects.
func (m *Manager) count(ctx context.Context, of Filter) (figures, error) {
	c, err := m.store.Counts(ctx, CountsQuery{Filter: of, Thresholds: m.policy.Thresholds()})
	f := figures{Counts: c, Overdue: c.OldestOverdue, Cutoffs: c.Cutoffs}
	if err != nil || !m.policy.warns() {
		return f, err
	}
	page, err := m.store.List(ctx, Query{Filter: of, Status: SelectWaiting, Thresholds: m.policy.Thresholds(), CountUpTo: countAll})
	f.Waiting = page.Total
	if outbox, ok := StoreAs[Outbox](m.store); ok && err == nil && of == (Filter{}) {
		var size OutboxSize
		size, err = within(ctx, callTimeout, outbox.OutboxSize)
		f.Outbox = &size
	}
	return f, err
}

// statsOf adds to figures what follows from them and, for those of all sessions, at now, the store's clock, from the runs.
func (m *Manager) statsOf(ctx context.Context, of Filter, f figures, now time.Time, asked span) (Stats, error) {
	counts := f.Counts
	counts.OldestOverdue, counts.Cutoffs = f.Overdue, f.Cutoffs
	s := Stats{
		Counts: counts, At: f.Cutoffs.Now, OldestOverdueSeconds: f.Overdue.Seconds(),
		Waiting: f.Waiting, Outbox: f.Outbox, Alerts: []Alert{},
	}
	s.CleanupCandidates = counts.DueForDeactivation + counts.DueForDeletion
	if counts.Total > 0 {
		s.ActivityRate = float64(counts.Active) / float64(counts.Total)
		s.CleanupEfficiency = float64(s.CleanupCandidates) / float64(counts.Total)
	}
	if counts.Recent > 0 {
		s.UseRate = float64(counts.InUse) / float64(counts.Recent)
	}
	if of == (Filter{}) {
		s.ClockDifference = asked.end().ahead(now)
		if err := m.addRuns(ctx, &s, now); err != nil {
			return Stats{}, err
		}
		var err error
		if s.Pause, err = m.pausedAt(ctx, now); err != nil {
			return Stats{}, err
		}
	}
	s.Alerts = m.policy.Alerts(s)
	return s, nil
}

// addRuns fills in the last runs, that which counts and that which does not.
func (m *Manager) addRuns(ctx context.Context, s *Stats, now time.Time) error {
	return m.eachRun(ctx, now, func(e Event, future bool) bool {
		switch {
		case future && s.FutureRun == nil:
			s.FutureRun = &e
		case !future && !e.partial():
			s.LastRun = &e
		}
		return s.LastRun == nil
	})
}

// leastRecent is the smallest number of sessions of which a share means something.
const leastRecent = 20

// outboxPatience is how long a warning may be on its way without an alert: a little more than a day, for senders that
// cron starts.
const outboxPatience = 26 * time.Hour

// Alerts returns the alerts that these figures raise under the policy's limits. Pass a policy with its defaults filled
// in: a limit of zero means zero.
func (p Policy) Alerts(s Stats) []Alert {
	alerts := []Alert{}
	raise := func(code AlertCode, format string, args ...any) {
		alerts = append(alerts, Alert{Code: code, Message: fmt.Sprintf(format, args...), Args: args})
	}
	if s.CleanupCandidates > p.AlertDue {
		raise(AlertTooManyDue, "%d sessions are due for cleanup, more than %d", s.CleanupCandidates, p.AlertDue)
	}
	if s.Total > 0 && s.ActivityRate < p.AlertActivityRate {
		raise(AlertLowActivity, "%.0f%% of the sessions are active, fewer than %.0f%%", 100*s.ActivityRate, 100*p.AlertActivityRate)
	}
	if s.Recent >= leastRecent && s.UseRate < p.AlertUseRate {
		raise(AlertLowUse, "%.0f%% of the sessions that were recently in use still are, fewer than %.0f%%: is their use recorded?", 100*s.UseRate, 100*p.AlertUseRate)
	}
	if s.ClockDifference != 0 {
		raise(AlertClockWrong, "the clocks of the database and of this process differ by %v", s.ClockDifference.Abs().Round(time.Second))
	}
	if s.Outbox != nil {
		if s.Outbox.Undeliverable > 0 {
			raise(AlertUndeliverable, "the owners of %d sessions could not be warned before their deletion", s.Outbox.Undeliverable)
		}
		if waited := s.At.Sub(s.Outbox.OldestAt); s.Outbox.Pending > 0 && waited > outboxPatience {
			raise(AlertOutboxStuck, "%d warnings to owners are not delivered, the oldest for %v", s.Outbox.Pending, waited.Round(time.Minute))
		}
	}
	if s.LastRun != nil && s.LastRun.Run != nil {
		run := s.LastRun.Run
		failed := run.Phases.Total().Failed
		switch {
		case run.Error != "":
			raise(AlertCleanupFailed, "the last run, %s, failed: %s", s.LastRun.RunID, run.Error)
		case failed > 0:
			raise(AlertCleanupIncomplete, "the last run, %s, could not clean up %d sessions", s.LastRun.RunID, failed)
		}
		if run.Backup != nil && run.Backup.Error != "" {
			raise(AlertBackupFailed, "the last run, %s, left %d archived sessions without a backup, which are not purged: %s",
				s.LastRun.RunID, run.Backup.Waiting, run.Backup.Error)
		}
	}
	return alerts
}
