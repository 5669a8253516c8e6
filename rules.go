package sessioncleanup

import (
	"slices"
	"time"
)

// This file holds the rules of the lifecycle: which sessions are due, and when. apply.go has the effect of what is
// done to them. They are stated once in Go. A backend that decides in SQL says the same there, and the conformance suite
// (store/storetest) compares the two on random data.

// Thresholds say how long a session must be unused to be due, including TouchInterval; see Policy.Thresholds.
type Thresholds struct {
	// Now pins the moment at which sessions are measured, as a run does. Zero: the store's clock when it answers.
	Now time.Time
	// Inactive and Delete are Policy.InactiveAfter and Policy.DeleteAfter, each with Policy.TouchInterval added. Zero
	// turns the phase off.
	Inactive time.Duration
	Delete   time.Duration
	// Warn is Policy.WarnBefore; zero deletes without a warning. Proceed says that an undeliverable warning counts, too.
	Warn    time.Duration
	Proceed bool
	// Rules are those of sessions with tags, in the order of their tags; see For.
	Rules []RuleThresholds
}

func (t Thresholds) warns() bool { return t.Warn > 0 && t.Delete > 0 }

// At returns the cutoffs at Thresholds.Now or, when that is zero, at now, the store's clock. Times are cut to
// milliseconds, the finest that every backend keeps, always toward the past, so that nothing becomes due early.
func (t Thresholds) At(now time.Time) Cutoffs {
	if !t.Now.IsZero() {
		now = t.Now
	}
	c := Cutoffs{Now: now.UTC().Truncate(time.Millisecond)}
	if t.Inactive > 0 {
		c.Inactive = c.Now.Add(-t.Inactive).Truncate(time.Millisecond)
	}
	if t.Delete > 0 {
		c.Delete = c.Now.Add(-t.Delete).Truncate(time.Millisecond)
	}
	if t.warns() {
		c.Warn = c.Now.Add(min(t.Warn-t.Delete, 0)).Truncate(time.Millisecond)
		c.Warned = c.Now.Add(-t.Warn).Truncate(time.Millisecond)
		if t.Proceed {
			c.GivenUp = c.Warned
		}
	}
	for _, r := range t.Rules {
		of := Thresholds{Inactive: r.Inactive, Delete: r.Delete, Warn: r.Warn}.At(c.Now)
		c.Rules = append(c.Rules, RuleCutoffs{Tag: r.Tag, Inactive: of.Inactive, Delete: of.Delete, Warned: of.Warned})
	}
	c.Proceed = t.Proceed && len(t.Rules) > 0
	return c
}

// Cutoffs are the moments against which one run, or one question, measures sessions. They are computed once, from the
// store's own clock; everything after that is a comparison, so a long run does not shift.
type Cutoffs struct {
	// Now is the store's clock when the run began.
	Now time.Time `json:"now"`
	// Inactive makes active sessions due that were last used before it. Zero: deactivation is off, and expired sessions
	// are not due either.
	Inactive time.Time `json:"inactive,omitzero"`
	// Delete makes inactive sessions due that were last used, expired and were deactivated before it. Zero: deletion is
	// off.
	Delete time.Time `json:"delete,omitzero"`
	// Warn has the owners of inactive sessions warned that were last used, expired and were deactivated before it. Zero:
	// nobody is warned.
	Warn time.Time `json:"warn,omitzero"`
	// Warned keeps sessions from being deleted unless a warning for their idle period was delivered no later. Zero: no
	// warning is needed.
	Warned time.Time `json:"warned,omitzero"`
	// GivenUp lets them be deleted, too, when that warning turned out to be undeliverable no later. Zero: it does not.
	GivenUp time.Time `json:"given_up,omitzero"`
	// Untracked says that nothing shows when the table's sessions are used. Only sessions with an expiry ever become due
	// then. The store sets it; see Schema.AppTouches.
	Untracked bool `json:"untracked,omitempty"`
	// Rules are the cutoffs of sessions with tags, in the order of their tags; Proceed says that GivenUp is set for those
	// whose deletion waits for a warning. See For: the methods apply it to the session's tags themselves.
	Rules   []RuleCutoffs `json:"rules,omitempty"`
	Proceed bool          `json:"proceed,omitempty"`
}

// A last activity further in the future than clockTolerance is a mistake, and would keep its session until then. From
// keptForever on it stands for "keep this session", as an expiry from then on stands for none.
const clockTolerance = 10 * time.Minute

var keptForever = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)

// Due reports whether a run with these cutoffs applies the action to the session. The actions are ActionDeleted,
// ActionNoticed, ActionDeactivated, ActionDated and ActionCorrected; it returns false for any other.
func (c Cutoffs) Due(a Action, s Session) bool {
	c = c.of(s)
	switch a {
	case ActionDeactivated:
		return c.dueForDeactivation(s)
	case ActionDeleted:
		return c.dueForDeletion(s)
	case ActionNoticed:
		return c.past(s, c.Warn) && !s.warned()
	case ActionDated:
		return !s.Active && s.AutoCleanup && s.DeactivatedAt.IsZero()
	case ActionCorrected:
		return s.AutoCleanup && s.LastActivity.After(c.Ahead()) && s.LastActivity.Before(keptForever)
	default:
		return false
	}
}

// Ahead returns the moment after which a last activity is too far in the future; see ActionCorrected.
func (c Cutoffs) Ahead() time.Time { return c.Now.Add(clockTolerance) }

// dueForDeactivation: the session is active, may be cleaned up, and was either last used before Inactive or expires no
// later than Now.
func (c Cutoffs) dueForDeactivation(s Session) bool {
	return s.Active && s.AutoCleanup && !c.Inactive.IsZero() &&
		(s.LastActivity.Before(c.Inactive) && !c.Untracked || s.expired(c.Now))
}

// dueForDeletion: KeptSince lies before Delete, and the warning that is needed was delivered long enough ago.
func (c Cutoffs) dueForDeletion(s Session) bool { return c.past(s, c.Delete) && c.warnedLongAgo(s) }

// past: the session is inactive since a known time, may be cleaned up, and KeptSince lies before a cutoff.
func (c Cutoffs) past(s Session, cutoff time.Time) bool {
	return !s.Active && s.AutoCleanup && !cutoff.IsZero() && !s.DeactivatedAt.IsZero() &&
		s.KeptSince().Before(cutoff) && (!c.Untracked || !s.ExpiresAt.IsZero())
}

// warnedLongAgo: no warning is needed, or that for this idle period counts since Warned.
func (c Cutoffs) warnedLongAgo(s Session) bool {
	if c.Warned.IsZero() {
		return true
	}
	at := c.warnedSince(s)
	return !at.IsZero() && !at.After(c.Warned)
}

// warnedSince is the moment from which the warning for this idle period counts; zero when it does not, or not yet.
func (c Cutoffs) warnedSince(s Session) time.Time {
	switch w := s.Warning; {
	case !s.warned():
		return time.Time{}
	case !w.DeliveredAt.IsZero() || c.GivenUp.IsZero():
		return w.DeliveredAt
	default:
		return w.UndeliverableAt
	}
}

// warned reports whether there is a warning for this idle period, delivered or not. KeptSince identifies the period: whatever
// ends it, use or a change, happens after the warning, and so raises KeptSince.
func (s Session) warned() bool { return !s.Warning.For.IsZero() && s.Warning.For.Equal(s.KeptSince()) }

// warningsKept is for how long a warning is remembered after it was long enough ago: then its session is gone, or protected.
const warningsKept = 90 * 24 * time.Hour

// ForgetWarnings returns the moment before which warnings are forgotten, by the time at which they were delivered or
// given up. A session that still exists then needs a new warning.
func (c Cutoffs) ForgetWarnings() time.Time {
	first := c.Warned
	for _, r := range c.Rules {
		first = warnedFirst(first, r.Warned)
	}
	return first.Add(-warningsKept)
}

// waiting reports whether nothing but a warning, which is not delivered or not old enough, keeps the session from being
// deleted.
func (c Cutoffs) waiting(s Session) bool {
	c = c.of(s)
	return c.past(s, c.Delete) && !c.warnedLongAgo(s)
}

// Covers reports whether a warning for the idle period that began at since is still to be sent: the session is still in
// that idle period, and its owner is to be warned.
func (c Cutoffs) Covers(s Session, since time.Time) bool {
	return c.past(s, c.of(s).Warn) && s.KeptSince().Equal(since)
}

// selects reports whether the session has a status, or is in a selection.
func (c Cutoffs) selects(status Status, s Session) bool {
	switch status {
	case "":
		return true
	case SelectToWarn:
		return c.Due(ActionNoticed, s)
	case SelectWaiting:
		return c.waiting(s)
	default:
		return c.Status(s) == status
	}
}

// sameThresholds reports whether the cutoffs lie as far before their Now as others do.
func (c Cutoffs) sameThresholds(o Cutoffs) bool {
	same := func(a, b time.Time) bool {
		return a.IsZero() == b.IsZero() && (a.IsZero() || c.Now.Sub(a) == o.Now.Sub(b))
	}
	return same(c.Inactive, o.Inactive) && same(c.Delete, o.Delete) && same(c.Warned, o.Warned) && same(c.GivenUp, o.GivenUp) &&
		c.Proceed == o.Proceed && slices.EqualFunc(c.Rules, o.Rules, func(a, b RuleCutoffs) bool {
		return a.Tag == b.Tag && same(a.Inactive, b.Inactive) && same(a.Delete, b.Delete) && same(a.Warned, b.Warned)
	})
}

// Old reports whether the session was last used before Delete, whatever its state.
func (c Cutoffs) Old(s Session) bool {
	c = c.of(s)
	return !c.Delete.IsZero() && s.LastActivity.Before(c.Delete)
}

// Recent returns the time that is twice as long ago as Inactive, or zero when idle sessions never become due.
// Statistics use it to notice that activity is no longer recorded. It is the same for all sessions, whatever their
// tags.
func (c Cutoffs) Recent() time.Time {
	if c.Inactive.IsZero() || c.Untracked {
		return time.Time{}
	}
	return c.Inactive.Add(c.Inactive.Sub(c.Now))
}

// usedAfter reports whether the session was used since then, where use is followed.
func (c Cutoffs) usedAfter(then time.Time, s Session) bool {
	return !c.Recent().IsZero() && !s.LastActivity.Before(then)
}

// NeverDue reports whether an active session that is not protected can never become due under any policy, because
// neither its last activity nor an expiry makes it due. That is usually a mistake.
func (c Cutoffs) NeverDue(s Session) bool {
	return s.Active && s.AutoCleanup && (c.Untracked || !s.LastActivity.Before(keptForever)) &&
		(s.ExpiresAt.IsZero() || !s.ExpiresAt.Before(keptForever))
}

// Status returns the session's status at these cutoffs. StatusProtected takes precedence over every other status.
func (c Cutoffs) Status(s Session) Status {
	c = c.of(s)
	switch {
	case !s.AutoCleanup:
		return StatusProtected
	case c.dueForDeactivation(s):
		return StatusToDeactivate
	case c.dueForDeletion(s):
		return StatusToDelete
	case s.Active:
		return StatusActive
	default:
		return StatusInactive
	}
}

// Overdue returns how long the session has been due, including the time that it waited for its warning. It returns zero
// for a session that is not due.
func (c Cutoffs) Overdue(s Session) time.Duration {
	c = c.of(s)
	switch {
	case c.dueForDeactivation(s):
		var late time.Duration
		if !c.Untracked {
			late = c.Inactive.Sub(s.LastActivity)
		}
		if s.expired(c.Now) {
			late = max(late, c.Now.Sub(s.ExpiresAt))
		}
		return late
	case c.dueForDeletion(s):
		return c.Delete.Sub(s.KeptSince())
	default:
		return 0
	}
}

// DeactivateAt returns the moment from which a run deactivates the session, unless it is used or changed before then.
// It returns zero for an inactive session, and for one that is never deactivated automatically.
func (c Cutoffs) DeactivateAt(s Session) time.Time {
	c = c.of(s)
	if !s.Active || !s.AutoCleanup || c.Inactive.IsZero() {
		return time.Time{}
	}
	at := s.LastActivity.Add(c.Now.Sub(c.Inactive))
	if c.Untracked || !s.ExpiresAt.IsZero() && s.ExpiresAt.Before(at) {
		return s.ExpiresAt
	}
	return at
}

// DeleteAt returns the moment from which a run deletes the session, unless it is used or changed before then. It counts
// an active session as deactivated at DeactivateAt or, when that has passed, by the next run. It counts a warning that
// is not delivered yet as delivered at Now. It returns zero for a session that is never deleted automatically.
func (c Cutoffs) DeleteAt(s Session) time.Time {
	c = c.of(s)
	if !s.AutoCleanup || c.Delete.IsZero() || c.Untracked && s.ExpiresAt.IsZero() {
		return time.Time{}
	}
	kept := s.KeptSince()
	switch {
	case s.Active && c.Inactive.IsZero():
		return time.Time{}
	case s.Active:
		kept = later(kept, later(c.DeactivateAt(s), c.Now))
	case s.DeactivatedAt.IsZero(): // the next run dates it
		kept = later(kept, c.Now)
	}
	at := kept.Add(c.Now.Sub(c.Delete))
	if c.Warned.IsZero() {
		return at
	}
	warned := c.warnedSince(s)
	if warned.IsZero() {
		warned = c.Now
	}
	return later(at, warned.Add(c.Now.Sub(c.Warned)))
}

// Measure fills in AsOf, Status and the other fields that follow from the policy. For a session that is due, the times
// are Now, never in the past.
func (c Cutoffs) Measure(s Session) Session {
	s.AsOf, s.Status, s.DeactivateAt, s.DeleteAt = c.Now, c.Status(s), c.DeactivateAt(s), c.DeleteAt(s)
	s.DeactivateRule, s.DeleteRule = c.DecidedBy(ActionDeactivated, s.Tags), c.DecidedBy(ActionDeleted, s.Tags)
	if !s.warned() {
		s.Warning = Warning{}
	}
	if !s.DeactivateAt.IsZero() {
		s.DeactivateAt = later(s.DeactivateAt, c.Now)
	}
	if !s.DeleteAt.IsZero() {
		s.DeleteAt = later(s.DeleteAt, c.Now)
	}
	return s
}

func (s Session) expired(now time.Time) bool { return !s.ExpiresAt.IsZero() && !s.ExpiresAt.After(now) }

// KeptSince returns the moment from which the deletion of an inactive session counts: the latest of its last activity,
// its expiry and its deactivation. So DeleteAfter passes between the deactivation and the deletion, whoever deactivated
// the session and however long it was unused before. An expiry in the future keeps it until DeleteAfter after that
// expiry.
func (s Session) KeptSince() time.Time {
	return later(later(s.LastActivity, s.ExpiresAt), s.DeactivatedAt)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// maxLeaseTTL is the longest time for which a lease is taken. One in the database that claims more does not hold.
const maxLeaseTTL = time.Hour
