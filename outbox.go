package sessioncleanup

import (
	"context"
	"errors"
	"fmt"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// Notices returns the warnings of owners; see Outbox.Notices. An owner sees its own. Limit 0 means 50. It fails with
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
	if q.Limit < 0 || q.Limit > MaxPage {
		return nil, invalid.Errorf("%s: limit is %d: want 1 to %d", operation, q.Limit, MaxPage)
	}
	if err := m.filterTags(operation, q.Tags); err != nil {
		return nil, fmt.Errorf("%s: %w", operation, err)
	}
	setIfZero(&q.Limit, defaultPage)
	q.OwnerID = owner
	all, err := outbox.Notices(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", operation, err)
	}
	return all, nil
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
	outbox, ok := StoreAs[Outbox](m.store)
	if !ok {
		return nil, fmt.Errorf("%s: the store keeps none: %w", operation, errors.ErrUnsupported)
	}
	return outbox, nil
}
