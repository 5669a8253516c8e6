package sessioncleanup

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// PolicySetter is implemented by an Installer whose stored policy can be changed without Migrate.
type PolicySetter interface {
	// SetPolicy changes the stored policy, with the event, in one transaction, and returns the policy as it is then. Zero
	// fields of change stay as they are; only those that Manager.SetPolicy takes are ever set. A condition, unless it is nil,
	// must hold for the policy as Policy returns it, in that transaction: ErrChanged when it does not. ErrNotInstalled when
	// there is no stored policy.
	SetPolicy(ctx context.Context, change Policy, condition func(stored Policy) bool, e Event) (Policy, error)
}

// Origin says where a value of the policy comes from.
type Origin string

// The origins of values.
const (
	OriginProgram  Origin = "program"  // Config.Policy: of the command, its flags and the environment
	OriginDatabase Origin = "database" // the policy that the store keeps
	OriginDefault  Origin = "default"  // DefaultPolicy
)

// followed is the policy of a Manager with Config.Stored, shared by all that As, If and Because make of it.
type followed struct {
	program Policy

	mu     sync.Mutex
	stored Policy
}

// policy is the one in force.
func (f *followed) policy() Policy {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.program.Or(f.stored).WithDefaults()
}

func (f *followed) set(stored Policy) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stored = stored
}

// current is the Manager with the policy in force now.
func (m *Manager) current() *Manager {
	if m.followed == nil {
		return m
	}
	current := *m
	current.policy = m.followed.policy()
	return &current
}

// reread is current after the stored policy was read again: another process may have changed it.
func (m *Manager) reread(ctx context.Context) (*Manager, error) {
	installer, ok := InstallerOf(m.store)
	if m.followed == nil || !ok {
		return m, nil
	}
	stored, err := within(ctx, callTimeout, installer.Policy)
	if errors.Is(err, ErrNotInstalled) { // nothing to follow; what the caller does next says so, if it matters
		return m.current(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the stored policy: %w", err)
	}
	m.followed.set(stored)
	return m.current(), nil
}

// Origins are where the values of the policy come from: for each field, whether the program sets it and what the store
// keeps. Both are zero where nothing is said.
func (m *Manager) Origins() (program, stored Policy) {
	if m.followed == nil {
		return m.given, Policy{}
	}
	m.followed.mu.Lock()
	defer m.followed.mu.Unlock()
	return m.given, m.followed.stored
}

// IfPolicy returns the same Manager with a condition for SetPolicy, which fails with ErrChanged, and changes nothing, unless
// it holds for the stored policy of that moment. It must not call the Manager.
//
//	_, seen := sessions.Origins()
//	_, err = sessions.IfPolicy(func(stored Policy) bool { return stored == seen }).SetPolicy(ctx, change, 0)
func (m *Manager) IfPolicy(condition func(stored Policy) bool) *Manager {
	conditional := *m.current()
	conditional.onlyIfPolicy = condition
	return &conditional
}

// CanSetPolicy reports whether SetPolicy may work for the caller: the Manager follows a stored policy that can be changed.
func (m *Manager) CanSetPolicy() bool {
	_, ok := StoreAs[PolicySetter](m.store)
	return ok && m.followed != nil && m.unlimited()
}

// MoreDeletionsError says that a change of the policy would have the next run remove more; nothing was changed.
type MoreDeletionsError struct {
	Before int // what a run would delete, or purge from the archive, now
	After  int // and with the change
}

// Error names both figures.
func (e *MoreDeletionsError) Error() string {
	return fmt.Sprintf("the next run would delete %d sessions instead of %d: confirm that", e.After, e.Before)
}

// settable are the fields that SetPolicy takes. Nothing that Migrate builds on is among them, and neither are the
// deletion limit and the time for which the audit log is kept.
var settable = []string{"InactiveAfter", "DeleteAfter", "ArchiveKeep", "Rules", "AlertDue", "AlertUseRate", "AlertActivityRate"}

// Propose counts what a run would do under a policy with these changes, all zero fields as they are: a dry run without
// its sessions and what goes with them. In a large table that takes a while; it ends with ctx.
func (m *Manager) Propose(ctx context.Context, change Policy) (Result, error) {
	const operation = "propose a policy"
	if err := m.allowAll(operation); err != nil {
		return Result{}, err
	}
	if err := change.Validate(); err != nil {
		return Result{}, fmt.Errorf("%s: %w", operation, err)
	}
	proposed := *m.current()
	proposed.policy, proposed.followed = change.Or(proposed.policy), nil
	return proposed.Cleanup(ctx, Run{DryRun: true, countsOnly: true})
}

// SetPolicy changes the stored policy, for every program that follows it and for SQL, and returns the policy in force. It
// takes InactiveAfter, DeleteAfter, ArchiveKeep, Rules, which NoRules removes, AlertDue, AlertUseRate and
// AlertActivityRate; zero fields stay. When the next run would then remove more than it would now, and more than
// expected, it is a MoreDeletionsError. Each change is an event, with the values before and after. ErrChanged says that
// somebody else changed the stored policy meanwhile, or that the condition of IfPolicy does not hold. An
// errors.ErrUnsupported says that there is no stored policy to change; an ErrInvalid also that the program sets a value,
// so that the stored one does not count.
func (m *Manager) SetPolicy(ctx context.Context, change Policy, expected int) (Policy, error) {
	const operation = "change the policy"
	if err := m.allowAll(operation); err != nil {
		return Policy{}, err
	}
	setter, ok := StoreAs[PolicySetter](m.store)
	if !ok || m.followed == nil {
		return Policy{}, fmt.Errorf("%s: %w", operation, errors.ErrUnsupported)
	}
	m, err := m.reread(ctx)
	if err == nil {
		err = change.follows(m.store)
	}
	if err != nil {
		return Policy{}, fmt.Errorf("%s: %w", operation, err)
	}
	if rules, err := ParseRules(change.Rules); err == nil && change.Rules != "" {
		change.Rules = FormatRules(rules)
	}
	_, seen := m.Origins() // what the event, the figures and the condition are about
	if m.onlyIfPolicy != nil && !m.onlyIfPolicy(seen) {
		return Policy{}, fmt.Errorf("%s: %w", operation, ErrChanged)
	}
	changes, err := m.changesOf(change)
	if err != nil {
		return Policy{}, fmt.Errorf("%s: %w", operation, err)
	}
	if changes == "" {
		return m.policy, nil
	}
	if err := m.confirmed(ctx, change, expected); err != nil {
		return Policy{}, fmt.Errorf("%s: %w", operation, err)
	}
	e := Event{Action: ActionPolicyChanged, Actor: m.actor(), Reason: m.cause(changes).Reason}
	stored, err := within(ctx, callTimeout, func(ctx context.Context) (Policy, error) {
		return setter.SetPolicy(ctx, change, func(stored Policy) bool { return stored == seen }, e)
	})
	if err != nil {
		m.log.WarnContext(ctx, operation+" failed", "actor", e.Actor, "changes", changes, "error", err)
		return Policy{}, fmt.Errorf("%s: %w", operation, err)
	}
	m.followed.set(stored)
	m.log.WarnContext(ctx, operation, "actor", e.Actor, "changes", changes)
	return m.current().policy, nil
}

// confirmed fails when the next run would remove more with a change than without, and more than expected.
func (m *Manager) confirmed(ctx context.Context, change Policy, expected int) error {
	rest := change
	rest.AlertDue, rest.AlertUseRate, rest.AlertActivityRate = 0, 0, 0
	if rest == (Policy{}) { // alerts have no run remove more
		return nil
	}
	now, err := m.Propose(ctx, Policy{})
	var then Result
	if err == nil {
		then, err = m.Propose(ctx, change)
	}
	if err != nil {
		return err
	}
	if before, after := now.Deleted()+now.Purged(), then.Deleted()+then.Purged(); after > before && after > expected {
		return &MoreDeletionsError{Before: before, After: after}
	}
	return nil
}

// changesOf describes the values that a change of the stored policy changes, for the log; empty when it changes none.
func (m *Manager) changesOf(change Policy) (string, error) {
	if err := change.Validate(); err != nil {
		return "", err
	}
	program, stored := m.Origins()
	rest := change
	var all []string
	for _, name := range settable {
		of := func(p *Policy) reflect.Value { return reflect.ValueOf(p).Elem().FieldByName(name) }
		wanted, set, was := of(&change), of(&program), of(&stored)
		of(&rest).SetZero()
		switch {
		case wanted.IsZero():
		case !set.IsZero():
			return "", invalid.Errorf("Policy.%s is set to %v by the program, its flags or its environment, so that a stored value does not count", name, set)
		case !wanted.Equal(was):
			all = append(all, fmt.Sprintf("%s from %s to %s", name, settingText(was.Interface()), settingText(wanted.Interface())))
		}
	}
	if rest != (Policy{}) {
		return "", invalid.Errorf("%+v: want InactiveAfter, DeleteAfter, ArchiveKeep, Rules, AlertDue, AlertUseRate and AlertActivityRate only; migrate stores the others", rest)
	}
	return strings.Join(all, ", "), nil
}

// settingText is a value of the policy for people.
func settingText(v any) string {
	d, ok := v.(time.Duration)
	rate, isRate := v.(float64)
	switch {
	case v == "", isRate && rate < 0:
		return "none"
	case !ok:
		return fmt.Sprint(v)
	case d == Never:
		return "never"
	case d%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	default:
		return d.String()
	}
}
