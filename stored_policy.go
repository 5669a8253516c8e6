package sessioncleanup

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// PolicySetter is implemented by an Installer that can change its stored policy without Migrate.
type PolicySetter interface {
	// SetPolicy changes the stored policy, with the event, in one transaction, and returns the new policy. Zero fields
	// of change stay as they are; it sets only those that Manager.SetPolicy takes. A condition that is not nil is
	// evaluated in that transaction on the policy as Policy returns it, and must hold: otherwise ErrChanged. It fails
	// with ErrNotInstalled when there is no stored policy.
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

// current is the Manager with the policy in force now.
func (m *Manager) current() *Manager {
	if m.stored == nil {
		return m
	}
	current := *m
	current.policy = m.given.Or(*m.stored.Load()).WithDefaults()
	return &current
}

// reread is current after the stored policy was read again: another process may have changed it.
func (m *Manager) reread(ctx context.Context) (*Manager, error) {
	installer, ok := InstallerOf(m.store)
	if m.stored == nil || !ok {
		return m, nil
	}
	stored, err := within(ctx, callTimeout, installer.Policy)
	if errors.Is(err, ErrNotInstalled) { // nothing to follow; what the caller does next says so, if it matters
		return m.current(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the stored policy: %w", err)
	}
	m.stored.Store(&stored)
	return m.current(), nil
}

// StoredPolicy returns the policy that the store keeps, as last read. A zero field is not stored; all are without a
// stored policy, or while the Manager does not follow it.
func (m *Manager) StoredPolicy() Policy {
	if m.stored == nil {
		return Policy{}
	}
	return *m.stored.Load()
}

// Origin returns where a value of the policy in force comes from. isSet reports whether a policy sets that value.
func (m *Manager) Origin(isSet func(Policy) bool) Origin {
	switch {
	case isSet(m.given):
		return OriginProgram
	case isSet(m.StoredPolicy()):
		return OriginDatabase
	default:
		return OriginDefault
	}
}

// IfPolicy returns the same Manager with a condition on SetPolicy, which fails with ErrChanged, and changes nothing,
// unless the condition holds for the policy stored at that moment. The condition must not call the Manager.
//
//	seen := sessions.StoredPolicy()
//	_, err = sessions.IfPolicy(func(stored Policy) bool { return stored == seen }).SetPolicy(ctx, change, 0)
func (m *Manager) IfPolicy(condition func(stored Policy) bool) *Manager {
	conditional := *m.current()
	conditional.onlyIfPolicy = condition
	return &conditional
}

// CanSetPolicy reports whether the caller may use SetPolicy: the Manager follows a stored policy, and the store can
// change it.
func (m *Manager) CanSetPolicy() bool {
	_, ok := StoreAs[PolicySetter](m.store)
	return ok && m.stored != nil && m.unlimited()
}

// MoreDeletionsError says that a change of the policy would make the next run remove more sessions. Nothing was
// changed.
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

// Propose returns the figures of a run under the policy with these changes; zero fields stay as they are. It is a dry
// run that lists neither sessions nor dependents. In a large table it takes a while; ctx limits it.
func (m *Manager) Propose(ctx context.Context, change Policy) (Result, error) {
	const operation = "propose a policy"
	if err := m.allowAll(operation); err != nil {
		return Result{}, err
	}
	if err := change.Validate(); err != nil {
		return Result{}, fmt.Errorf("%s: %w", operation, err)
	}
	proposed := *m.current()
	proposed.policy, proposed.stored = change.Or(proposed.policy), nil
	return proposed.Cleanup(ctx, Run{DryRun: true, countsOnly: true})
}

// SetPolicy changes the stored policy, for every program that follows it and for SQL, and returns the policy in force.
// It changes InactiveAfter, DeleteAfter, ArchiveKeep, Rules, AlertDue, AlertUseRate and AlertActivityRate; zero fields
// stay as they are, and NoRules removes all rules. Each change writes an event with the values before and after.
//
// It fails with a MoreDeletionsError when the next run would remove more sessions than without the change, and more
// than expected. It fails with ErrChanged when somebody else changed the stored policy meanwhile or the condition of
// IfPolicy does not hold, with errors.ErrUnsupported when there is no stored policy to change, and with ErrInvalid when
// a value is wrong or the program sets the field itself, so that the stored value would have no effect.
func (m *Manager) SetPolicy(ctx context.Context, change Policy, expected int) (Policy, error) {
	const operation = "change the policy"
	if err := m.allowAll(operation); err != nil {
		return Policy{}, err
	}
	setter, ok := StoreAs[PolicySetter](m.store)
	if !ok || m.stored == nil {
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
	seen := m.StoredPolicy() // what the event, the figures and the condition are about
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
	m.stored.Store(&stored)
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
	then, err := m.Propose(ctx, change)
	after := then.Deleted() + then.Purged()
	if err != nil || after <= expected {
		return err
	}
	now, err := m.Propose(ctx, Policy{})
	if before := now.Deleted() + now.Purged(); err == nil && after > before {
		err = &MoreDeletionsError{Before: before, After: after}
	}
	return err
}

// changesOf describes the values that a change of the stored policy changes, for the log; empty when it changes none.
func (m *Manager) changesOf(change Policy) (string, error) {
	if err := change.Validate(); err != nil {
		return "", err
	}
	program, stored := m.given, m.StoredPolicy()
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
	if d, ok := v.(time.Duration); ok {
		return formatSpan(d)
	}
	if rate, ok := v.(float64); v == "" || ok && rate < 0 {
		return "none"
	}
	return fmt.Sprint(v)
}
