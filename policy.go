package sessioncleanup

import (
	"math"
	"reflect"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// Never as a threshold of a Policy or a Run turns that phase off.
const Never time.Duration = -1

// limitFloor is the number of deletions that the deletion limit never stops: a fraction of a small table says little.
const limitFloor = 100

// maxThreshold is the longest threshold accepted, about 100 years; longer ones are typing errors.
const maxThreshold = 100 * 365 * 24 * time.Hour

// Switch is a yes or no that may be left open. The zero value, Default, leaves it open: a Policy then has its default,
// and a Change leaves the session as it is.
type Switch int8

// The values of a Switch.
const (
	Default Switch = iota
	On
	Off
)

// Or returns the value, or def for Default.
func (s Switch) Or(def bool) bool {
	switch s {
	case On:
		return true
	case Off:
		return false
	default:
		return def
	}
}

// SwitchOf returns On for true and Off for false.
func SwitchOf(on bool) Switch {
	if on {
		return On
	}
	return Off
}

// Undeliverable says what happens to sessions that are due for deletion when their owners could not be warned.
type Undeliverable string

// The values of Undeliverable.
const (
	// UndeliverableHold keeps them until a warning is delivered.
	UndeliverableHold Undeliverable = "hold"
	// UndeliverableProceed deletes them when Policy.WarnBefore has passed since the last attempt failed.
	UndeliverableProceed Undeliverable = "proceed"
)

// Policy holds the thresholds and limits of the lifecycle. A zero field means the default, with which each field's
// comment ends; the zero value is the guide's policy. Validate reports wrong values.
type Policy struct {
	// InactiveAfter is how long an active session may go unused before it is deactivated. Never turns
	// deactivation off, of expired sessions too. Default: 24 h.
	InactiveAfter time.Duration
	// DeleteAfter is how long an inactive session is kept before it is deleted. It counts from the last activity, the
	// expiry or the deactivation, whichever is latest. Never turns deletion off. Default: 30 days.
	DeleteAfter time.Duration
	// WarnBefore is how long before its deletion the owner of a session is warned. A run deletes a session only when a
	// warning for this idle period was delivered at least that long ago; see Outbox. It must be shorter than
	// DeleteAfter. Never deletes without a warning. Default: Never.
	WarnBefore time.Duration
	// Rules replace the policy's thresholds for sessions with certain tags, in the form that ParseRules reads, such as
	// "vip: delete=never; test: inactive=1h delete=1d"; at most 50. NoRules means none, even when a stored policy has
	// some. Rules need a store that is a RuleFollower. Default: none.
	Rules string
	// Undeliverable says what happens to sessions whose owners could not be warned. Default: UndeliverableHold.
	Undeliverable Undeliverable
	// AutoCleanupDefault is the auto_cleanup of new sessions: On means that they may be cleaned up automatically.
	// Default: On.
	AutoCleanupDefault Switch
	// ReactivateOnActivity makes an inactive session active again when it is touched. Default: Off.
	ReactivateOnActivity Switch
	// Enabled allows runs. Off makes every run but a dry run fail with ErrDisabled. Default: On.
	Enabled Switch

	// TouchInterval is the shortest time between two writes of one session's activity. Every threshold is extended by
	// it, so that it never causes an early cleanup. Default: 60 s.
	TouchInterval time.Duration

	// BatchSize is the largest number of sessions in one transaction. Default: 5000.
	BatchSize int
	// BatchBudget is how long one transaction should take; the size of batches adapts to it. Default: 50 ms.
	BatchBudget time.Duration
	// Rate limits a run to this many sessions per second. Default: no limit.
	Rate float64
	// BusyShare is the fraction of the time that a run works while others write to the database: it pauses after each
	// batch, for at most 10 s. With 1 it pauses only when waiting writers would not get in otherwise, as on SQLite. The
	// memory store does not pause. Default: 0.5, with which the waits of other clients (p99) stayed below twice those
	// beside an idle database.
	BusyShare float64
	// MaxDeleteFraction is the deletion limit: a run that would delete more than this fraction of all sessions, and
	// more than 100, deletes nothing and fails with ErrTooMany, unless it is forced. 1 turns the limit off.
	// Default: 0.5.
	MaxDeleteFraction float64
	// EventsKeep is how long the audit log keeps its events. Never keeps them forever. A sealed event stays until all
	// events of its seal are that old, which is about the time between two runs later. Default: 90 days.
	EventsKeep time.Duration

	// Archive moves every deleted session into the archive, together with the rows that its foreign keys delete or
	// unlink, so that it can be restored; see Archiver. Default: Off.
	Archive Switch
	// ArchiveKeep is how long the archive keeps an entry before a run purges it, even if Archive is off by then. Never
	// keeps entries forever. Default: 30 days.
	ArchiveKeep time.Duration
	// ArchiveMaxRows and ArchiveMaxBytes limit what may belong to one session: rows of other tables, and bytes of all
	// its rows. While Archive is on, a session with more is not deleted. Default: 100,000 rows, 64 MB.
	ArchiveMaxRows  int
	ArchiveMaxBytes int64

	// Backup makes runs purge only what is backed up. Migrate stores it for every program and for SQL. Default: On with
	// Config.Backups, Off without.
	Backup Switch

	// AlertDue raises an alert when more sessions than this are due. Default: 100.
	AlertDue int
	// AlertUseRate raises an alert when too few of the recently used sessions are still in use: of those used within
	// twice InactiveAfter, a smaller fraction was used within InactiveAfter. The rate is about 0.5 when use is steady,
	// and 0 when nobody uses anything or use is no longer recorded. With fewer than 20 sessions there is no alert. A
	// negative value turns it off. Default: 0.05.
	AlertUseRate float64
	// AlertActivityRate raises an alert when a smaller fraction of all sessions is active; the guide recommends 0.5. It
	// always does so when sessions are kept much longer than they are active. A negative value turns it off, and
	// overrides a stored one. Default: 0, which is off.
	AlertActivityRate float64
}

// DefaultPolicy returns the policy of a program that sets none. Its values are those of docs/guide.md, except that
// AlertActivityRate is off.
func DefaultPolicy() Policy {
	return Policy{
		InactiveAfter:        24 * time.Hour,
		DeleteAfter:          30 * 24 * time.Hour,
		WarnBefore:           Never,
		Undeliverable:        UndeliverableHold,
		AutoCleanupDefault:   On,
		ReactivateOnActivity: Off,
		Enabled:              On,
		TouchInterval:        time.Minute,
		BatchSize:            5000,
		BatchBudget:          50 * time.Millisecond,
		Rate:                 0, // no limit
		BusyShare:            0.5,
		MaxDeleteFraction:    0.5,
		EventsKeep:           90 * 24 * time.Hour,
		Archive:              Off,
		ArchiveKeep:          30 * 24 * time.Hour,
		ArchiveMaxRows:       100_000,
		ArchiveMaxBytes:      64 << 20,
		Backup:               Off,
		AlertDue:             100,
		AlertUseRate:         0.05,
		AlertActivityRate:    0, // off
	}
}

// WithDefaults returns the policy with every zero field taken from DefaultPolicy.
func (p Policy) WithDefaults() Policy { return p.Or(DefaultPolicy()) }

// Or returns the policy with every zero field taken from base.
func (p Policy) Or(base Policy) Policy {
	fields, defaults := reflect.ValueOf(&p).Elem(), reflect.ValueOf(base)
	for i := range fields.NumField() {
		if field := fields.Field(i); field.IsZero() {
			field.Set(defaults.Field(i))
		}
	}
	return p
}

func setIfZero[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate returns an ErrInvalid for the first field that is wrong. It names the field, its value and what would be
// right. A zero field is never wrong: it means the default.
func (p Policy) Validate() error {
	for field, value := range reflect.ValueOf(p).Fields() {
		switch value := value.Interface().(type) {
		case Switch:
			if value < Default || value > Off {
				return invalid.Errorf("Policy.%s is %d: want Default, On or Off", field.Name, value)
			}
		case time.Duration:
			never := field.Name != "TouchInterval" && field.Name != "BatchBudget"
			switch {
			case value < 0 && !never:
				return invalid.Errorf("Policy.%s is %v: want a positive duration", field.Name, value)
			case value < 0 && value != Never:
				return invalid.Errorf("Policy.%s is %v: want a positive duration, or Never", field.Name, value)
			case value > maxThreshold:
				return invalid.Errorf("Policy.%s is %v: want at most %v", field.Name, value, maxThreshold)
			}
		}
	}
	full := p.WithDefaults()
	switch {
	case full.WarnBefore != Never && full.DeleteAfter != Never && full.WarnBefore >= full.DeleteAfter:
		return invalid.Errorf("Policy.WarnBefore is %v: want less than DeleteAfter, %v", full.WarnBefore, full.DeleteAfter)
	case p.Undeliverable != "" && p.Undeliverable != UndeliverableHold && p.Undeliverable != UndeliverableProceed:
		return invalid.Errorf("Policy.Undeliverable is %q: want %s or %s", p.Undeliverable, UndeliverableHold, UndeliverableProceed)
	case p.BatchSize < 0:
		return invalid.Errorf("Policy.BatchSize is %d: want a positive number of sessions", p.BatchSize)
	case p.ArchiveMaxRows < 0 || p.ArchiveMaxRows > math.MaxInt32:
		return invalid.Errorf("Policy.ArchiveMaxRows is %d: want a positive number of rows, up to %d", p.ArchiveMaxRows, math.MaxInt32)
	case p.ArchiveMaxBytes < 0:
		return invalid.Errorf("Policy.ArchiveMaxBytes is %d: want a positive number of bytes", p.ArchiveMaxBytes)
	case p.AlertDue < 0:
		return invalid.Errorf("Policy.AlertDue is %d: want a positive number of sessions", p.AlertDue)
	case !inRange(p.Rate, math.MaxFloat64):
		return invalid.Errorf("Policy.Rate is %v: want a positive number of sessions per second, or 0 for no limit", p.Rate)
	case !inRange(p.BusyShare, 1):
		return invalid.Errorf("Policy.BusyShare is %v: want a fraction above 0 and up to 1", p.BusyShare)
	case !inRange(p.MaxDeleteFraction, 1):
		return invalid.Errorf("Policy.MaxDeleteFraction is %v: want a fraction above 0 and up to 1", p.MaxDeleteFraction)
	case !inRange(max(p.AlertUseRate, 0), 1):
		return invalid.Errorf("Policy.AlertUseRate is %v: want a fraction above 0 and up to 1, or a negative number for no alert", p.AlertUseRate)
	case !inRange(max(p.AlertActivityRate, 0), 1):
		return invalid.Errorf("Policy.AlertActivityRate is %v: want a fraction above 0 and up to 1, or a negative number for no alert", p.AlertActivityRate)
	}
	return p.checkRules()
}

// inRange reports whether v is a number from 0 to most; a NaN is not.
func inRange(v, most float64) bool { return v >= 0 && v <= most }

// Thresholds returns the policy's thresholds, each extended by TouchInterval, so that throttled activity never makes a
// session due early.
func (p Policy) Thresholds() Thresholds {
	p = p.WithDefaults()
	t := p.ownThresholds()
	for _, r := range p.rules() {
		of := p.with(r).ownThresholds()
		t.Rules = append(t.Rules, RuleThresholds{Tag: r.Tag, Inactive: of.Inactive, Delete: of.Delete, Warn: of.Warn})
	}
	t.Proceed = p.Undeliverable == UndeliverableProceed && t.anyOf(Thresholds.warns)
	return t
}

// LongestKeep returns the longest time for which Manager.Keep can postpone the deletion of a session with these tags:
// DeleteAfter, or that of its rules. Never means that there is no limit, because nothing deletes the session.
func (p Policy) LongestKeep(tags []string) time.Duration {
	p = p.WithDefaults()
	deletion := p.Thresholds().For(tags).Delete
	if deletion == 0 {
		return Never
	}
	return deletion - p.TouchInterval
}

// ownThresholds are those of the policy without its rules.
func (p Policy) ownThresholds() (t Thresholds) {
	if p.InactiveAfter != Never {
		t.Inactive = p.InactiveAfter + p.TouchInterval
	}
	if p.DeleteAfter != Never {
		t.Delete = p.DeleteAfter + p.TouchInterval
	}
	if p.WarnBefore > 0 && p.DeleteAfter != Never {
		t.Warn = p.WarnBefore
	}
	return t
}

// deletes, deactivates and warns report whether the policy has that phase on, for some sessions at least.
func (p Policy) deletes() bool {
	return p.Thresholds().anyOf(func(t Thresholds) bool { return t.Delete > 0 })
}

func (p Policy) deactivates() bool {
	return p.Thresholds().anyOf(func(t Thresholds) bool { return t.Inactive > 0 })
}

func (p Policy) warns() bool { return p.Thresholds().anyOf(Thresholds.warns) }

// archiving limits what deletions archive; nil with the archive off.
func (p Policy) archiving() *Archiving {
	if !p.Archive.Or(false) {
		return nil
	}
	return &Archiving{MaxRows: p.ArchiveMaxRows, MaxBytes: p.ArchiveMaxBytes}
}

// CutoffsAt returns the cutoffs at now, the store's clock.
func (p Policy) CutoffsAt(now time.Time) Cutoffs { return p.Thresholds().At(now) }

// override is the policy with other thresholds, where they are given.
func (p Policy) override(inactiveAfter, deleteAfter time.Duration) (Policy, error) {
	p = Policy{InactiveAfter: inactiveAfter, DeleteAfter: deleteAfter}.Or(p)
	return p, p.Validate()
}
