package sessioncleanup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// Config configures a Manager. The zero value is useful.
type Config struct {
	// Policy holds thresholds and limits. Default: the guide's policy.
	Policy Policy
	// Stored is the policy that the store keeps, as Installer.Policy returned it. Fields that Policy leaves open come
	// from it, and follow its changes: each run reads it again, and so do statistics of all sessions. Default: no
	// stored policy.
	Stored *Policy
	// Logger receives a line for every action, with the IDs of run and session and the actor. Default: none.
	Logger *slog.Logger
	// LeaseTTL is how long a run whose process died keeps other runs from starting. At most an hour. Default: 30 s.
	LeaseTTL time.Duration
	// IgnoreClock makes runs trust the store's clock even if it differs from this process's by more than 10 minutes.
	// Otherwise such runs fail with ErrClock and change nothing. Default: false.
	IgnoreClock bool
	// Observe is called for each run, batch and call of the store, for traces. Default: none.
	Observe Observe
	// Backups makes each run copy new entries of the archive into a file at its end, and purge only entries that are in
	// a file. It requires Policy.Archive. Default: none.
	Backups Backups
	// BeforeDelete is called for sessions that are about to be deleted, by a run or manually, at most Policy.BatchSize
	// at once: to delete files, for example, or to close connections. A KeepError keeps some of the sessions, any other
	// error keeps all; a run reports those as failures and goes on. No lock is held during the call. So a session may
	// survive it, because it is used meanwhile or the database refuses the deletion; BeforeDelete is called for it
	// again when it is next due. Calls may overlap, and may repeat sessions. A panic counts as an error. Deletions by
	// functions of the database do not call it. Default: none.
	BeforeDelete func(ctx context.Context, sessions []Session) error
	// BeforeDeleteTimeout limits one call of BeforeDelete. Then its context ends, the run goes on without waiting for
	// it, and its sessions are kept. Default: 1 minute.
	BeforeDeleteTimeout time.Duration
}

// minLeaseTTL leaves room for three renewals between batches of a run.
const minLeaseTTL = time.Second

// Manager applies the rules of the lifecycle to the sessions of a Store. It is safe for concurrent use. It starts
// goroutines only to call Config.BeforeDelete and the function passed to Follow, and to count for RecentStats.
type Manager struct {
	store    Store
	policy   Policy                  // in force when this Manager was made of another one; see current
	given    Policy                  // Config.Policy
	stored   *atomic.Pointer[Policy] // that of the store; nil without Config.Stored. Shared by all that As and If make of it
	log      *slog.Logger
	leaseTTL time.Duration
	late     *lateness // shared, too

	observe      Observe
	backups      Backups // nil: none
	ignoreClock  bool
	before       hook
	limited      bool // to what who may do; the service itself may do everything
	who          Principal
	onlyIf       func(Session) bool // see If
	onlyIfPolicy func(Policy) bool  // see IfPolicy
	reason       string             // see Because
}

// New returns a Manager that acts for the service itself and may do everything; see As for limits. It does not use the
// store yet. A wrong Config is an ErrInvalid.
func New(store Store, c Config) (*Manager, error) {
	if store == nil {
		return nil, invalid.Errorf("store is nil: want a Store")
	}
	if err := c.Policy.Validate(); err != nil {
		return nil, err
	}
	given := c.Policy
	if c.Stored != nil {
		if err := c.Stored.Validate(); err != nil {
			return nil, fmt.Errorf("Config.Stored: %w", err)
		}
		c.Policy = c.Policy.Or(*c.Stored)
	}
	if c.LeaseTTL != 0 && (c.LeaseTTL < minLeaseTTL || c.LeaseTTL > maxLeaseTTL) {
		return nil, invalid.Errorf("Config.LeaseTTL is %v: want %v to %v", c.LeaseTTL, minLeaseTTL, maxLeaseTTL)
	}
	if c.BeforeDeleteTimeout < 0 {
		return nil, invalid.Errorf("Config.BeforeDeleteTimeout is %v: want a positive duration", c.BeforeDeleteTimeout)
	}
	setIfZero(&c.LeaseTTL, 30*time.Second)
	setIfZero(&c.BeforeDeleteTimeout, time.Minute)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if _, ok := StoreAs[Archiver](store); !ok && c.Policy.Archive.Or(false) {
		return nil, invalid.Errorf("Policy.Archive is on, but the store has no archive: want a store that is an Archiver")
	}
	if _, ok := StoreAs[Outbox](store); !ok && c.Policy.warns() {
		return nil, invalid.Errorf("Policy.WarnBefore is set, but the store keeps no warnings: want a store that is an Outbox")
	}
	if err := c.Policy.follows(store); err != nil {
		return nil, err
	}
	if c.Backups != nil {
		if !c.Policy.Archive.Or(false) {
			return nil, invalid.Errorf("Config.Backups is set, but Policy.Archive is off: want it on, a backup is of the archive")
		}
		c.Policy.Backup, given.Backup = On, On
	}
	m := &Manager{
		store: bounded{Store: store, observe: c.Observe}, observe: c.Observe, policy: c.Policy.WithDefaults(), given: given,
		log: c.Logger, leaseTTL: c.LeaseTTL, late: &lateness{}, ignoreClock: c.IgnoreClock, backups: BackupsOf(c.Backups),
		before: hook{c.BeforeDelete, c.BeforeDeleteTimeout},
	}
	if c.Stored != nil {
		stored := *c.Stored
		m.stored = &atomic.Pointer[Policy]{}
		m.stored.Store(&stored)
	}
	if m.policy.BatchBudget > m.leaseTTL/3 {
		return nil, invalid.Errorf("Policy.BatchBudget is %v: want at most a third of Config.LeaseTTL, %v", m.policy.BatchBudget, m.leaseTTL)
	}
	return m, nil
}

// Policy returns the policy in force, with defaults filled in. It changes only when Config.Stored is set.
func (m *Manager) Policy() Policy { return m.current().policy }

// Migrate prepares the store for use and stores the policy in it, so that triggers, views and functions in the database
// use the same thresholds. Call it at every start; many processes may call it at once. For a store without a database
// it does nothing.
func (m *Manager) Migrate(ctx context.Context) error {
	if err := m.allowAll("migrate"); err != nil {
		return err
	}
	installer, ok := InstallerOf(m.store)
	if !ok {
		return nil
	}
	if err := installer.Migrate(ctx, m.policy); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	m.log.InfoContext(ctx, "database migrated", "actor", m.actor())
	return nil
}

// Running reports whether a run is in progress, here or elsewhere.
func (m *Manager) Running(ctx context.Context) (bool, error) {
	lease, err := m.store.Lease(ctx, LeaseRequest{Name: cleanupName, Holder: "nobody"}) // releases nothing
	if err != nil {
		return false, fmt.Errorf("look for a run in progress: %w", err)
	}
	now, err := m.Now(ctx)
	return lease.held(now), err
}

// Now returns the time of the store's clock. An error means that the store cannot be reached.
func (m *Manager) Now(ctx context.Context) (time.Time, error) {
	now, err := m.store.Now(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("read the store's clock: %w", err)
	}
	return now, nil
}

// If returns the same Manager with a condition on its changes of a session. Deactivate, Reactivate, SetAutoCleanup,
// SetExpiry and Delete fail with ErrChanged, and change nothing, unless the condition holds for the session as stored
// at that moment. The condition runs under the session's lock and must not call the Manager. Touch ignores it.
//
//	_, err = sessions.If(func(s Session) bool { return s.LastActivity.Equal(seen.LastActivity) }).Delete(ctx, seen.ID)
func (m *Manager) If(condition func(Session) bool) *Manager {
	conditional := *m.current()
	conditional.onlyIf = condition
	return &conditional
}

// Because returns the same Manager with a reason for its changes. Events have it after the library's own reason, if
// there is one. The log keeps its first MaxEventText characters. Invalid UTF-8 and NUL characters are left out.
//
//	_, err = sessions.Because("asked for by its owner").Delete(ctx, id)
func (m *Manager) Because(reason string) *Manager {
	explained := *m.current()
	explained.reason = strings.ReplaceAll(strings.ToValidUTF8(reason, ""), "\x00", "")
	return &explained
}

// Get returns one session.
func (m *Manager) Get(ctx context.Context, id string) (Session, error) {
	const operation = "get session"
	t, err := m.target(operation, id)
	if err != nil {
		return Session{}, err
	}
	s, err := m.find(ctx, t)
	if err != nil {
		return Session{}, failed(operation, id, err)
	}
	return s, nil
}

func (m *Manager) find(ctx context.Context, t Target) (Session, error) {
	q := Query{Filter: Filter{ID: t.ID, OwnerID: t.OwnerID}, Thresholds: m.policy.Thresholds(), Limit: 1}
	page, err := m.store.List(ctx, q)
	switch {
	case err != nil:
		return Session{}, err
	case len(page.Sessions) == 0:
		return Session{}, ErrNotFound
	default:
		return page.Cutoffs.Measure(page.Sessions[0]), nil
	}
}

// Deactivate makes a session inactive. For a session that is inactive already it changes nothing and returns no error.
func (m *Manager) Deactivate(ctx context.Context, id string) (Session, error) {
	return m.change(ctx, "deactivate session", id, Change{Action: ActionDeactivated, Active: Off})
}

// Reactivate makes a session active again, as if it had just been used, and removes an expiry that has passed. For a
// session that is active already it changes nothing and returns no error.
func (m *Manager) Reactivate(ctx context.Context, id string) (Session, error) {
	return m.change(ctx, "reactivate session", id, Change{Action: ActionReactivated, Active: On})
}

// SetAutoCleanup protects a session from everything automatic (false), or removes the protection (true).
func (m *Manager) SetAutoCleanup(ctx context.Context, id string, on bool) (Session, error) {
	action := ActionAutoCleanupOff
	if on {
		action = ActionAutoCleanupOn
	}
	return m.change(ctx, "set auto-cleanup of session", id, Change{Action: action, AutoCleanup: SwitchOf(on)})
}

// SetExpiry sets the time at which the session ends, even if it is in use. A zero time removes the expiry. A time in
// the past makes the session due for deactivation at once.
func (m *Manager) SetExpiry(ctx context.Context, id string, at time.Time) (Session, error) {
	if !at.IsZero() && (at.UTC().Year() < 1970 || at.UTC().Year() > 9999) {
		return Session{}, invalid.Errorf("set expiry of session %q: %s: want a time from 1970 to 9999", id, at.Format(time.RFC3339))
	}
	return m.change(ctx, "set expiry of session", id, Change{Action: ActionExpirySet, ExpiresAt: &at})
}

func (m *Manager) change(ctx context.Context, operation, id string, c Change) (Session, error) {
	return m.write(ctx, operation, id, func(t Target, cause Cause) (Session, error) {
		c.Cause = cause
		return m.store.Update(ctx, t, c)
	})
}

// Delete removes a session and returns it as it was. With Policy.Archive the session moves into the archive; otherwise
// the deletion is permanent. ErrKept means that Config.BeforeDelete kept the session.
func (m *Manager) Delete(ctx context.Context, id string) (Session, error) {
	return m.write(ctx, "delete session", id, func(t Target, cause Cause) (Session, error) {
		return m.remove(ctx, t, cause)
	})
}

// DeleteCascade deletes a session together with the other sessions that foreign keys delete along with it, each with
// its own event. Delete refuses such a session with a CascadeError. Only a caller who may delete every session may use
// it.
func (m *Manager) DeleteCascade(ctx context.Context, id string) (Session, error) {
	if err := m.allowAll("delete other sessions along with a session"); err != nil {
		return Session{}, err
	}
	return m.write(ctx, "delete session", id, func(t Target, cause Cause) (Session, error) {
		t.Cascade = true
		return m.remove(ctx, t, cause)
	})
}

// Dependents returns the tables with rows that the deletion of a session deletes or unlinks through foreign keys, and
// the number of those rows. With an empty id it returns the tables only. The result is empty when the store has none.
func (m *Manager) Dependents(ctx context.Context, id string) ([]Dependent, error) {
	const operation = "list dependents of session"
	owner, err := m.scope(operation, "")
	if err != nil {
		return nil, err
	}
	lister, ok := StoreAs[DependentLister](m.store)
	if !ok {
		return nil, nil
	}
	var q *Query
	if id != "" {
		q = &Query{Filter: Filter{ID: id, OwnerID: owner}, Thresholds: m.policy.Thresholds()}
	}
	dependents, err := dependents(ctx, lister, q)
	if err != nil {
		return nil, failed(operation, id, err)
	}
	return dependents, nil
}

// write does one change of one session, logs it and wraps its error.
func (m *Manager) write(ctx context.Context, operation, id string, do func(Target, Cause) (Session, error)) (Session, error) {
	t, err := m.target(operation, id)
	if err != nil {
		return Session{}, err
	}
	if m.onlyIf != nil {
		t.If = func(s Session) bool { return m.onlyIf(m.measure(s)) }
	}
	t.Archive = m.policy.archiving()
	s, err := do(t, m.cause(""))
	if _, ok := errors.AsType[*CascadeError](err); ok && !m.unlimited() {
		err = ErrCascade // the others may belong to other owners
	}
	if err != nil {
		m.log.WarnContext(ctx, operation+" failed", "session_id", id, "actor", m.actor(), "error", err)
		return Session{}, failed(operation, id, err)
	}
	m.log.InfoContext(ctx, operation, "session_id", id, "actor", m.actor())
	return m.measure(s), nil
}

// measure fills in the fields that follow from the policy when the session was read.
func (m *Manager) measure(s Session) Session { return m.policy.CutoffsAt(s.AsOf).Measure(s) }

// Touch records that a session was just used. Activity is written at most once per Policy.TouchInterval; a touch
// within it succeeds without writing. A busy service uses a Tracker instead.
func (m *Manager) Touch(ctx context.Context, id string) error {
	const operation = "touch session"
	t, err := m.target(operation, id)
	if err != nil {
		return err
	}
	n, err := m.store.Touch(ctx, m.touch([]string{t.ID}, t.OwnerID))
	if err != nil {
		return failed(operation, id, err)
	}
	if n == 0 { // not written: touched just now, or not there
		if _, err := m.find(ctx, t); err != nil {
			return failed(operation, id, err)
		}
	}
	m.log.DebugContext(ctx, operation, "session_id", id, "actor", m.actor(), "written", n > 0)
	return nil
}

func (m *Manager) touch(ids []string, owner string) Touch {
	t := Touch{IDs: ids, OwnerID: owner, Interval: m.policy.TouchInterval}
	if m.policy.ReactivateOnActivity.Or(false) {
		t.Reactivate = &Cause{Actor: m.actor(), Reason: "activity"}
	}
	return t
}

// Events returns the audit log, newest first. An owner sees only what happened to its own sessions. Limit 0 means 50.
// To find the events of one session or owner it reads the log for as long as that takes; see EventPage.
func (m *Manager) Events(ctx context.Context, q EventQuery) ([]Event, error) {
	const operation = "list events"
	q, err := m.permitted(operation, q)
	if err != nil {
		return nil, err
	}
	events, err := m.store.Events(ctx, q)
	return wrapped(operation, events, err)
}

// permitted is a query for events limited to what the principal may see, with its limit filled in.
func (m *Manager) permitted(operation string, q EventQuery) (EventQuery, error) {
	owner, err := m.scope(operation, q.OwnerID)
	if err != nil {
		return q, err
	}
	if err := checkLimit(&q.Limit); err != nil {
		return q, fmt.Errorf("%s: %w", operation, err)
	}
	q.OwnerID, q.Part = owner, false
	return q, nil
}

// LastRun returns the event of the last run that ended, and false when there was none. It ignores runs that were
// limited to some sessions or left out a phase, and runs that a wrong clock recorded in the future.
func (m *Manager) LastRun(ctx context.Context) (last Event, found bool, err error) {
	if err := m.allowAll("find last run"); err != nil {
		return Event{}, false, err
	}
	now, err := m.Now(ctx)
	if err != nil {
		return Event{}, false, err
	}
	err = m.eachRun(ctx, now, func(e Event, future bool) bool {
		if found = !future && !e.partial(); found {
			last = e
		}
		return !found
	})
	return last, found, err
}

func (m *Manager) cause(reason string) Cause {
	if reason != "" && m.reason != "" {
		reason += ": "
	}
	return Cause{Actor: m.actor(), Reason: reason + m.reason}
}

func failed(operation, id string, err error) error {
	return fmt.Errorf("%s %q: %w", operation, id, err)
}
