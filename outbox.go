package sessioncleanup

import (
	"context"
	"fmt"
)

// Notices returns warnings of owners, see Outbox.Notices; an owner sees its own. Limit 0 means 50. An
// errors.ErrUnsupported says that the store keeps none.
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
	if err = checkLimit(&q.Limit); err == nil {
		err = m.filterTags(operation, q.Tags)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", operation, err)
	}
	q.OwnerID = owner
	all, err := outbox.Notices(ctx, q)
	return wrapped(operation, all, err)
}

// ResendNotices makes warnings due again that were given up, those of some sessions or, without any, all, and returns how
// many. Only who may do everything may.
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
