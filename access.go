package sessioncleanup

import (
	"fmt"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// Role says what a Principal may do.
type Role string

// The roles, as in docs/guide.md. Any other role, the empty one included, may do nothing.
const (
	RoleAdmin  Role = "admin"  // everything
	RoleOwner  Role = "owner"  // its own sessions: lists, figures, events and every change, but no cleanup run
	RoleViewer Role = "viewer" // nothing
)

// Principal is the person or service that makes a request.
type Principal struct {
	Role Role
	// ID is the owner's ID for RoleOwner, as in Session.OwnerID. For other roles it only names the actor in
	// events and logs.
	ID string
}

// Actor returns the name of the principal in events and logs: "admin:alice", "owner:42", or the role alone.
func (p Principal) Actor() string {
	if p.ID == "" {
		return string(p.Role)
	}
	return string(p.Role) + ":" + p.ID
}

// system is the actor of what the service itself does, with the Manager that New returns. It is no role: a Principal
// that claims it may do nothing.
const system = "system"

// As returns a Manager that does only what the principal may do. For an owner, somebody else's session is ErrNotFound,
// like one that does not exist. An operation that the role does not allow at all is ErrForbidden. Limits only become
// tighter: As on a Manager that is limited to an owner or a viewer returns one with the same limit.
func (m *Manager) As(p Principal) *Manager {
	limited := *m.current()
	if m.unlimited() {
		limited.who, limited.limited = p, true
	}
	return &limited
}

// actor is the name of the caller in events and logs.
func (m *Manager) actor() string {
	if !m.limited {
		return system
	}
	return m.who.Actor()
}

// unlimited reports whether the Manager may do everything.
func (m *Manager) unlimited() bool { return !m.limited || m.who.Role == RoleAdmin }

// allowAll permits operations on all sessions.
func (m *Manager) allowAll(operation string) error {
	if m.unlimited() {
		return nil
	}
	return m.forbidden(operation)
}

// scope permits operations on some sessions and returns the owner whose sessions they are limited to, or "" for
// all. asked is the owner that the caller wants to see, or "".
func (m *Manager) scope(operation, asked string) (string, error) {
	switch {
	case m.unlimited():
		return asked, nil
	case m.who.Role == RoleOwner:
		// Without an ID the filter would be empty, and an empty filter means everybody's sessions.
		if m.who.ID == "" || asked != "" && asked != m.who.ID {
			return "", m.forbidden(operation)
		}
		return m.who.ID, nil
	default:
		return "", m.forbidden(operation)
	}
}

// target permits an operation on one session.
func (m *Manager) target(operation, id string) (Target, error) {
	owner, err := m.scope(operation, "")
	if err != nil {
		return Target{}, err
	}
	if id == "" {
		return Target{}, invalid.Errorf("%s: session id is empty: want the id of a session", operation)
	}
	return Target{ID: id, OwnerID: owner}, nil
}

// Scope returns the owner whose sessions the principal works with when it asks for those of owner, or "" for all. An
// admin gets what it asks for, an owner always itself. It fails with ErrForbidden when the principal may not see those
// sessions. Operations check this themselves; Scope is for callers that want to know beforehand.
func (m *Manager) Scope(owner string) (string, error) { return m.scope("list sessions", owner) }

// PermitAll returns an ErrForbidden unless the caller may use operations on all sessions, such as a run.
func (m *Manager) PermitAll() error { return m.allowAll("work on all sessions") }

func (m *Manager) forbidden(operation string) error {
	return fmt.Errorf("%s: %w for %s", operation, ErrForbidden, roleName(m.who.Role))
}

func roleName(r Role) string {
	if r == "" {
		return "somebody without a role"
	}
	return "role " + string(r)
}
