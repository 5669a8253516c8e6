package memory

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/shorten"
)

// Warn does one batch of a run.
func (s *Store) Warn(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	b.Action = sessioncleanup.ActionNoticed
	if err := s.lockFor(ctx, b.Lease); err != nil {
		return sessioncleanup.BatchResult{}, err
	}
	defer s.mu.Unlock()
	if b.After == "" {
		s.forgetNotices(b.Cutoffs.ForgetWarnings())
	}
	chosen, next, err := s.choose(b)
	if err != nil {
		return sessioncleanup.BatchResult{}, err
	}
	now := clock().Truncate(time.Millisecond)
	result := sessioncleanup.BatchResult{Next: next}
	var refs []sessioncleanup.SessionRef
	for _, session := range chosen {
		s.putNotice(sessioncleanup.Notice{
			SessionID: session.ID, OwnerID: session.OwnerID, Name: shorten.Text(session.Name, sessioncleanup.MaxEventText), NextAt: now,
			Warning: sessioncleanup.Warning{For: session.KeptSince(), QueuedAt: now},
		})
		result.IDs, refs = append(result.IDs, session.ID), append(refs, session.Ref())
	}
	if len(refs) > 0 {
		s.log(now, b.Action, b.Cause, refs...)
	}
	return result, nil
}

// forgetNotices forgets the warnings that were settled before.
func (s *Store) forgetNotices(before time.Time) {
	for id, n := range s.notices {
		if settled := cmp.Or(n.DeliveredAt, n.UndeliverableAt); !settled.IsZero() && settled.Before(before) {
			s.dropNotice(id)
		}
	}
}

// putNotice stores a notice, and its Warning in the session.
func (s *Store) putNotice(n sessioncleanup.Notice) {
	s.notices[n.SessionID] = n
	if session, ok := s.sessions[n.SessionID]; ok {
		session.Warning = n.Warning
		s.sessions[n.SessionID] = session
	}
}

// dropNotice removes a notice.
func (s *Store) dropNotice(id string) {
	s.putNotice(sessioncleanup.Notice{SessionID: id})
	delete(s.notices, id)
}

// ClaimNotices returns the message to send next.
func (s *Store) ClaimNotices(ctx context.Context, c sessioncleanup.NoticeClaim) (sessioncleanup.NoticeMessage, error) {
	if c.Limit <= 0 || c.NewMessage == "" {
		return sessioncleanup.NoticeMessage{}, invalid.Errorf("claim of a message %q with at most %d notices: want an id, and at least 1", c.NewMessage, c.Limit)
	}
	if err := s.lockFor(ctx, c.Lease); err != nil {
		return sessioncleanup.NoticeMessage{}, err
	}
	defer s.mu.Unlock()
	now := clock()
	out := sessioncleanup.NoticeMessage{At: now, Cutoffs: c.Thresholds.At(now)}
	told := map[string]time.Time{} // when each owner got a message
	var pending []sessioncleanup.Notice
	for id, n := range s.notices {
		if told[n.OwnerID].Before(n.ToldAt) {
			told[n.OwnerID] = n.ToldAt
		}
		session, exists := s.sessions[id]
		applies := out.Cutoffs.Covers(session, n.For)
		if !n.DeletedAt.IsZero() {
			applies = !exists
		}
		switch {
		case n.NextAt.IsZero():
		case !applies:
			s.dropNotice(id)
		default:
			if n.DeletedAt.IsZero() {
				n.Tags = slices.Clone(session.Tags)
			}
			pending = append(pending, n)
		}
	}
	slices.SortFunc(pending, func(a, b sessioncleanup.Notice) int {
		return cmp.Or(a.NextAt.Compare(b.NextAt), strings.Compare(a.SessionID, b.SessionID))
	})
	first := slices.IndexFunc(pending, func(n sessioncleanup.Notice) bool {
		return !n.NextAt.After(now) && (n.Message != "" || c.Every <= 0 || !told[n.OwnerID].After(now.Add(-c.Every)))
	})
	if first < 0 {
		return out, nil
	}
	out.OwnerID, out.ID = pending[first].OwnerID, cmp.Or(pending[first].Message, c.NewMessage)
	for _, n := range pending {
		if n.OwnerID == out.OwnerID && n.Message == pending[first].Message && n.DeletedAt.IsZero() == pending[first].DeletedAt.IsZero() {
			out.Notices = append(out.Notices, n)
		}
	}
	slices.SortFunc(out.Notices, func(a, b sessioncleanup.Notice) int {
		return cmp.Or(a.For.Compare(b.For), strings.Compare(a.SessionID, b.SessionID))
	})
	out.Notices = out.Notices[:min(len(out.Notices), c.Limit)]
	for i := range out.Notices {
		out.Notices[i].Message = out.ID
		s.putNotice(out.Notices[i])
	}
	return out, nil
}

// SettleNotices records the outcome of a message.
func (s *Store) SettleNotices(ctx context.Context, o sessioncleanup.NoticeOutcome) error {
	if err := s.lockFor(ctx, o.Lease); err != nil {
		return err
	}
	defer s.mu.Unlock()
	now := clock().Truncate(time.Millisecond)
	var refs []sessioncleanup.SessionRef
	for _, id := range slices.Sorted(maps.Keys(s.notices)) {
		if n := s.notices[id]; n.Message == o.Message && !n.NextAt.IsZero() {
			s.putNotice(o.Apply(n, now))
			refs = append(refs, n.Ref())
		}
	}
	if action := o.Action(); action != "" && len(refs) > 0 {
		s.log(now, action, o.Cause, refs...)
	}
	return nil
}

// Remind makes delivered notices due whose stage has risen.
func (s *Store) Remind(ctx context.Context, r sessioncleanup.Reminding) (reminded int, err error) {
	if err := s.lockFor(ctx, r.Lease); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	now := clock()
	for _, n := range s.notices {
		if n.DeletedAt.IsZero() {
			n.Tags = s.sessions[n.SessionID].Tags
		}
		if stage := r.StageOf(n, now); stage > n.Stage && n.NextAt.IsZero() && n.DeletedAt.IsZero() {
			n.Stage = stage
			s.putNotice(n.Next(now))
			reminded++
		}
	}
	return reminded, nil
}

// tellDeleted has the owner of a session told that a run deleted it, if it was warned.
func (s *Store) tellDeleted(session sessioncleanup.Session, now time.Time) {
	if n := s.notices[session.ID]; !n.DeliveredAt.IsZero() {
		n.DeletedAt, n.Tags = now, session.Tags
		s.notices[session.ID] = n.Next(now)
	}
}

// Notices returns the notices that the query selects.
func (s *Store) Notices(ctx context.Context, q sessioncleanup.NoticeQuery) ([]sessioncleanup.Notice, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var found []sessioncleanup.Notice
	for _, n := range s.notices {
		tagged := n
		if n.DeletedAt.IsZero() {
			tagged.Tags = s.sessions[n.SessionID].Tags
		}
		if q.Selects(tagged) {
			found = append(found, n)
		}
	}
	slices.SortFunc(found, func(a, b sessioncleanup.Notice) int {
		return cmp.Or(a.NextAt.Compare(b.NextAt), a.UndeliverableAt.Compare(b.UndeliverableAt), strings.Compare(a.SessionID, b.SessionID))
	})
	return found[:min(len(found), q.Limit)], nil
}

// ResendNotices makes notices that were given up due again.
func (s *Store) ResendNotices(ctx context.Context, sessionIDs []string) (int, error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	now, resent := clock().Truncate(time.Millisecond), 0
	for id, n := range s.notices {
		if n.UndeliverableAt.IsZero() || sessionIDs != nil && !slices.Contains(sessionIDs, id) {
			continue
		}
		s.putNotice(n.Resent(now))
		resent++
	}
	return resent, nil
}

// OutboxSize counts what is in the outbox.
func (s *Store) OutboxSize(ctx context.Context) (size sessioncleanup.OutboxSize, err error) {
	if err := s.lock(ctx); err != nil {
		return size, err
	}
	defer s.mu.Unlock()
	for _, n := range s.notices {
		switch {
		case !n.UndeliverableAt.IsZero():
			size.Undeliverable++
		case !n.NextAt.IsZero():
			size.Pending++
			if n.DeliveredAt.IsZero() && (size.OldestAt.IsZero() || n.QueuedAt.Before(size.OldestAt)) {
				size.OldestAt = n.QueuedAt
			}
		}
	}
	return size, nil
}

// PutOwner stores the contact data of an owner.
func (s *Store) PutOwner(id string, o sessioncleanup.Owner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owners[id] = o
}

// FindOwner returns the contact data that PutOwner stored.
func (s *Store) FindOwner(ctx context.Context, id string) (sessioncleanup.Owner, error) {
	if err := s.lock(ctx); err != nil {
		return sessioncleanup.Owner{}, err
	}
	defer s.mu.Unlock()
	if len(s.owners) == 0 {
		return sessioncleanup.Owner{}, errors.ErrUnsupported
	}
	o, ok := s.owners[id]
	if !ok {
		return o, sessioncleanup.ErrNotFound
	}
	return o, nil
}
