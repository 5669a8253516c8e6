package sessioncleanup

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"
)

// Config says how a Manager works. The zero value is useful.
type Config struct {
	// Policy holds thresholds and limits. Default: the guide's policy.
	Policy Policy
	// Logger gets a line for every action, with run id, session id and actor. Default: none.
	Logger *slog.Logger
	// LeaseTTL is for how long a run that died without a word keeps others from running. Default: 30 s.
	LeaseTTL time.Duration
}

// minLeaseTTL leaves room for three renewals between batches of a run.
const minLeaseTTL = time.Second

// Manager applies the rules of the lifecycle to the sessions of a Store. It is safe for concurrent use and starts no
// goroutine of its own.
type Manager struct {
	store    Store
	policy   Policy
	log      *slog.Logger
	leaseTTL time.Duration
	limited  bool // to what who may do; the service itself may do everything
	who      Principal
}

// New makes a Manager that acts for the service itself and may do everything; As limits it. It does not touch the
// store. A wrong Config is an ErrInvalid.
func New(store Store, c Config) (*Manager, error) {
	if store == nil {
		return nil, invalidf("store is nil: want a Store")
	}
	if err := c.Policy.Validate(); err != nil {
		return nil, err
	}
	if c.LeaseTTL != 0 && c.LeaseTTL < minLeaseTTL {
		return nil, invalidf("Config.LeaseTTL is %v: want at least %v", c.LeaseTTL, minLeaseTTL)
	}
	setIfZero(&c.LeaseTTL, 30*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Manager{store: store, policy: c.Policy.WithDefaults(), log: c.Logger, leaseTTL: c.LeaseTTL}
	if m.policy.BatchBudget > m.leaseTTL/3 {
		return nil, invalidf("Policy.BatchBudget is %v: want at most a third of Config.LeaseTTL, %v", m.policy.BatchBudget, m.leaseTTL)
	}
	return m, nil
}

// Policy is the policy in force, defaults filled in.
func (m *Manager) Policy() Policy { return m.policy }

// Migrate makes the store ready for use and stores the policy in it, so that its triggers, views and functions
// follow the same thresholds. Call it at every start; it is safe to be called by many processes at once. Stores
// without a database need none.
func (m *Manager) Migrate(ctx context.Context) error {
	if err := m.allowAll("migrate"); err != nil {
		return err
	}
	installer, ok := m.store.(Installer)
	if !ok {
		return nil
	}
	if err := installer.Migrate(ctx, m.policy); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	m.log.InfoContext(ctx, "database migrated", "actor", m.actor())
	return nil
}

// Get gives one session.
func (m *Manager) Get(ctx context.Context, id string) (Session, error) {
	t, err := m.target("get session", id)
	if err != nil {
		return Session{}, err
	}
	cutoffs, err := m.cutoffs(ctx, m.policy)
	if err != nil {
		return Session{}, failed("get session", id, err)
	}
	page, err := m.store.List(ctx, Query{ID: t.ID, OwnerID: t.OwnerID, Cutoffs: cutoffs, Limit: 1})
	if err == nil && len(page.Sessions) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Session{}, failed("get session", id, err)
	}
	return withStatus(page.Sessions[0], cutoffs), nil
}

// Deactivate makes a session inactive. It is not an error when it is so already.
func (m *Manager) Deactivate(ctx context.Context, id string) (Session, error) {
	return m.change(ctx, "deactivate session", id, Change{Action: ActionDeactivated, Active: new(false)})
}

// Reactivate makes a session active again, as if it had just been used; an expiry that has passed is removed. It
// is not an error when the session is active already.
func (m *Manager) Reactivate(ctx context.Context, id string) (Session, error) {
	return m.change(ctx, "reactivate session", id, Change{Action: ActionReactivated, Active: new(true)})
}

// SetAutoCleanup protects a session from everything automatic (false), or lifts the protection (true).
func (m *Manager) SetAutoCleanup(ctx context.Context, id string, on bool) (Session, error) {
	action := ActionAutoCleanupOff
	if on {
		action = ActionAutoCleanupOn
	}
	return m.change(ctx, "set auto-cleanup of session", id, Change{Action: action, AutoCleanup: &on})
}

// SetExpiry sets the time at which the session ends, used or not; a zero time removes it. A time in the past makes
// the session due for deactivation at once.
func (m *Manager) SetExpiry(ctx context.Context, id string, at time.Time) (Session, error) {
	if !at.IsZero() {
		at = at.UTC().Truncate(time.Millisecond)
		if at.Year() < 1970 || at.Year() > 9999 {
			return Session{}, invalidf("set expiry of session %q: %s: want a time from 1970 to 9999", id, at.Format(time.RFC3339))
		}
	}
	return m.change(ctx, "set expiry of session", id, Change{Action: ActionExpirySet, ExpiresAt: &at})
}

func (m *Manager) change(ctx context.Context, operation, id string, c Change) (Session, error) {
	t, err := m.target(operation, id)
	if err != nil {
		return Session{}, err
	}
	cutoffs, err := m.cutoffs(ctx, m.policy) // first, so that nothing can fail once the change is made
	if err != nil {
		return Session{}, failed(operation, id, err)
	}
	c.Cause = m.cause("")
	s, err := m.store.Update(ctx, t, c)
	if err := m.logged(ctx, operation, id, err); err != nil {
		return Session{}, err
	}
	return withStatus(s, cutoffs), nil
}

// Delete removes a session for good and gives it as it was.
func (m *Manager) Delete(ctx context.Context, id string) (Session, error) {
	const operation = "delete session"
	t, err := m.target(operation, id)
	if err != nil {
		return Session{}, err
	}
	cutoffs, err := m.cutoffs(ctx, m.policy)
	if err != nil {
		return Session{}, failed(operation, id, err)
	}
	s, err := m.store.Delete(ctx, t, m.cause(""))
	if err := m.logged(ctx, operation, id, err); err != nil {
		return Session{}, err
	}
	return withStatus(s, cutoffs), nil
}

// Touch notes that a session was just used. Activity is written at most once per Policy.TouchInterval; a touch
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
		page, err := m.store.List(ctx, Query{ID: t.ID, OwnerID: t.OwnerID, Limit: 1})
		if err == nil && len(page.Sessions) == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return failed(operation, id, err)
		}
	}
	m.log.DebugContext(ctx, operation, "session_id", id, "actor", m.actor(), "written", n > 0)
	return nil
}

func (m *Manager) touch(ids []string, owner string) Touch {
	t := Touch{IDs: ids, OwnerID: owner, Interval: m.policy.TouchInterval}
	if m.policy.ReactivateOnActivity.Or(false) {
		cause := m.cause("activity")
		t.Reactivate = &cause
	}
	return t
}

// Events gives the audit log, newest first: an owner sees only what happened to its own sessions. Limit 0 means 50.
func (m *Manager) Events(ctx context.Context, q EventQuery) ([]Event, error) {
	const operation = "list events"
	owner, err := m.scope(operation, q.OwnerID)
	if err != nil {
		return nil, err
	}
	if q.Limit < 0 || q.Limit > MaxPage {
		return nil, invalidf("%s: limit is %d: want 1 to %d", operation, q.Limit, MaxPage)
	}
	setIfZero(&q.Limit, defaultPage)
	q.OwnerID = owner
	events, err := m.store.Events(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", operation, err)
	}
	return events, nil
}

// LastRun is the event of the last run that ended, or false when there was none.
func (m *Manager) LastRun(ctx context.Context) (Event, bool, error) {
	if err := m.allowAll("find last run"); err != nil {
		return Event{}, false, err
	}
	events, err := m.store.Events(ctx, EventQuery{Actions: []Action{ActionRun}, Limit: 1})
	if err != nil {
		return Event{}, false, fmt.Errorf("find last run: %w", err)
	}
	if len(events) == 0 {
		return Event{}, false, nil
	}
	return events[0], true, nil
}

// cutoffs are those of a policy now, by the store's clock.
func (m *Manager) cutoffs(ctx context.Context, p Policy) (Cutoffs, error) {
	now, err := m.store.Now(ctx)
	if err != nil {
		return Cutoffs{}, fmt.Errorf("read the store's clock: %w", err)
	}
	return p.CutoffsAt(now), nil
}

func (m *Manager) cause(reason string) Cause { return Cause{Actor: m.actor(), Reason: reason} }

// logged writes the outcome of an action on one session to the log and wraps its error.
func (m *Manager) logged(ctx context.Context, operation, id string, err error) error {
	if err != nil {
		m.log.WarnContext(ctx, operation+" failed", "session_id", id, "actor", m.actor(), "error", err)
		return failed(operation, id, err)
	}
	m.log.InfoContext(ctx, operation, "session_id", id, "actor", m.actor())
	return nil
}

func failed(operation, id string, err error) error {
	return fmt.Errorf("%s %q: %w", operation, id, err)
}

func withStatus(s Session, c Cutoffs) Session {
	s.Status = c.Status(s)
	return s
}

// newRunID makes an identifier that no other run has.
func newRunID() string { return rand.Text() }
