package memory

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// Sweep does one batch of a run. Deactivation takes idle sessions first, longest first, and then expired ones. An error
// of Config.Refuse becomes a BatchError.
func (s *Store) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	if err := s.lockFor(ctx, b.Lease); err != nil {
		return sessioncleanup.BatchResult{}, err
	}
	defer s.mu.Unlock()
	chosen, next, err := s.choose(b)
	if err == nil && b.Action == sessioncleanup.ActionDeleted && s.refuse != nil {
		err = s.refuseAny(chosen, next)
	}
	if err != nil {
		return sessioncleanup.BatchResult{}, err
	}
	now := clock().Truncate(time.Millisecond)
	result := sessioncleanup.BatchResult{Next: next}
	var refs []sessioncleanup.SessionRef
	for _, session := range chosen {
		if b.Action == sessioncleanup.ActionDeleted && b.Archive != nil {
			s.keep(session, now, b.Cause)
		}
		s.replace(session, b.Action.Apply(session, now))
		if b.Action == sessioncleanup.ActionDeleted && !b.Cutoffs.For(session.Tags).Warned.IsZero() {
			s.tellDeleted(session, now)
		}
		result.IDs = append(result.IDs, session.ID)
		refs = append(refs, session.Ref())
	}
	if len(refs) > 0 && b.Action != sessioncleanup.ActionDated {
		s.log(now, b.Action, b.Cause, refs...)
	}
	if b.Action == sessioncleanup.ActionDeleted {
		result.Rows = len(refs)
	}
	return result, nil
}

// lockFor takes the lock, unless the lease of a batch was lost.
func (s *Store) lockFor(ctx context.Context, batch sessioncleanup.Lease) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	if !s.leases[batch.Name].Guards(batch, clock()) {
		s.mu.Unlock()
		return sessioncleanup.ErrLeaseLost
	}
	return nil
}

// choose returns the next sessions that are due, and where the next batch starts when there are more.
func (s *Store) choose(b sessioncleanup.Batch) (chosen []sessioncleanup.Session, next string, err error) {
	last, err := parsePlace(b.After)
	if err != nil {
		return nil, "", err
	}
	if b.Limit <= 0 {
		return nil, "", invalid.Errorf("limit of the batch is %d: want at least 1", b.Limit)
	}
	if b.Only != nil {
		return s.dueOf(b), "", nil
	}
	for at, session := range s.due(b.Action, b.Cutoffs, last) {
		if !b.Filter.Matches(session) {
			continue
		}
		if len(chosen) == b.Limit {
			return chosen, last.String(), nil
		}
		session.AsOf = clock()
		chosen = append(chosen, session)
		last = at
	}
	return chosen, "", nil
}

// dueOf returns those of the sessions in Batch.Only that the batch's filter matches and that are due.
func (s *Store) dueOf(b sessioncleanup.Batch) (chosen []sessioncleanup.Session) {
	for _, id := range b.Only {
		session := s.sessions[id]
		session.AsOf = clock()
		if b.Filter.Matches(session) && b.Cutoffs.Due(b.Action, session) {
			chosen = append(chosen, session)
		}
	}
	return chosen
}

// refuseAny is the error of a batch in which Config.Refuse refuses a session.
func (s *Store) refuseAny(chosen []sessioncleanup.Session, next string) error {
	for _, session := range chosen {
		if err := s.refuse(session); err != nil {
			return &sessioncleanup.BatchError{
				IDs: ids(chosen), Next: next, Err: fmt.Errorf("session %q: %w", session.ID, err), Code: err.Error(),
			}
		}
	}
	return nil
}

func ids(sessions []sessioncleanup.Session) []string {
	out := make([]string, len(sessions))
	for i, s := range sessions {
		out[i] = s.ID
	}
	return out
}

// place is a place between two batches: an order, and a position in it. The zero place is before everything.
type place struct {
	order int
	sessioncleanup.Position
}

// due walks the sessions for which Cutoffs.Due holds, from a place on. They are at the beginning of one order, or of two,
// or all of one; those used in the future are at the end of two.
func (s *Store) due(a sessioncleanup.Action, c sessioncleanup.Cutoffs, after place) iter.Seq2[place, sessioncleanup.Session] {
	inOrders := map[sessioncleanup.Action][]int{
		sessioncleanup.ActionDeleted: {kept}, sessioncleanup.ActionNoticed: {kept}, sessioncleanup.ActionDeactivated: {idle, expiring},
		sessioncleanup.ActionDated: {undated}, sessioncleanup.ActionCorrected: {idle, kept},
	}[a]
	latest := c.Latest()
	ends := [orders]time.Time{kept: latest.Delete, idle: latest.Inactive, expiring: c.Now.Add(1)}
	switch a {
	case sessioncleanup.ActionNoticed:
		ends[kept] = latest.Warn
	case sessioncleanup.ActionCorrected:
		ends = [orders]time.Time{idle: endOfTime, kept: endOfTime}
	}
	return func(yield func(place, sessioncleanup.Session) bool) {
		for _, order := range inOrders {
			if order < after.order {
				continue
			}
			if a == sessioncleanup.ActionCorrected && after.Position == (sessioncleanup.Position{}) {
				after.Position = timePosition(c.Ahead(), "")
			}
			end := timePosition(ends[order], "")
			for p := range s.indexes[order].ascend(&after.Position) {
				if order != undated && compare(p, end) > 0 {
					break
				}
				session := s.sessions[p.ID]
				seen := order == expiring && session.LastActivity.Before(latest.Inactive) // in the idle order
				if !seen && c.Due(a, session) && !yield(place{order, p}, session) {
					return
				}
			}
			after.Position = sessioncleanup.Position{}
		}
	}
}

var endOfTime = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// String is the place as BatchResult.Next has it. Neither an order nor a key contains a space.
func (p place) String() string { return fmt.Sprintf("%d %s %s", p.order, p.Key, p.ID) }

func parsePlace(text string) (place, error) {
	if text == "" {
		return place{}, nil
	}
	number, rest, _ := strings.Cut(text, " ")
	key, id, _ := strings.Cut(rest, " ")
	order, err := strconv.Atoi(number)
	if err != nil || order < idle || order >= orders || id == "" {
		return place{}, invalid.Errorf("cursor of the batch is %.100q: want one that an earlier batch returned", text)
	}
	return place{order, sessioncleanup.Position{Key: key, ID: id}}, nil
}
