package sessioncleanup

import (
	"context"
	"fmt"
)

// Notices returns the warnings to owners; see Outbox.Notices. An owner sees its own. Limit 0 means 50. It fails with
// errors.ErrUnsupported when the store keeps no warnings.
func (m *Manager) Notices(ctx context.Context, q NoticeQuery) ([]Notice, error) {
	const operation = "list warnings"
	owner, err := m.scope(operation, q.OwnerID)
	if err != nil {
		return nil, err
	}
	outbox, err := m.outbox(operation)
	if err != nil {
		return nil, err
	}
	if err := checkLimit(&q.Limit); err != nil {
		return nil, fmt.Errorf("%s: %w", operation, err)
	}
	if err := m.filterTags(operation, q.Tags); err != nil {
		return nil, err
	}
	q.OwnerID = owner
	all, err := outbox.Notices(ctx, q)
	return wrapped(operation, all, err)
}

// ResendNotices makes warnings that were given up due again, and returns their number: those of some sessions or,
// without any, all. It fails with ErrForbidden unless the caller may do everything.
func (m *Manager) ResendNotices(ctx context.Context, sessionIDs []string) (int, error) {
	const operation = "send warnings again"
	if err := m.allowAll(operation); err != nil {
		return 0, err
	}
	outbox, err := m.outbox(operation)
	if err != nil {
		return 0, err
	}
	if len(sessionIDs) == 0 {
		sessionIDs = nil
	}
	n, err := outbox.ResendNotices(ctx, sessionIDs)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", operation, err)
	}
	m.log.InfoContext(ctx, operation, "actor", m.actor(), "count", n)
	return n, nil
}

func (m *Manager) outbox(operation string) (Outbox, error) {
	return storeAs[Outbox](m, operation, "keeps no warnings")
}
