package sessioncleanup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// MaxBulk is the largest number of sessions that one Bulk changes.
const MaxBulk = 100_000

// BulkAction is what a Bulk does to each session.
type BulkAction string

// The actions of a Bulk: the Manager's methods for one session.
const (
	BulkDeactivate BulkAction = "deactivate"
	BulkReactivate BulkAction = "reactivate"
	BulkProtect    BulkAction = "protect"   // SetAutoCleanup false
	BulkUnprotect  BulkAction = "unprotect" // SetAutoCleanup true
	BulkKeep       BulkAction = "keep"
	BulkTag        BulkAction = "tag" // Tag
	BulkDelete     BulkAction = "delete"
)

// BulkActions lists every action.
func BulkActions() []BulkAction {
	return []BulkAction{BulkDeactivate, BulkReactivate, BulkProtect, BulkUnprotect, BulkKeep, BulkTag, BulkDelete}
}

// Bulk changes many sessions: those in IDs or, without any, all that match OwnerID, Status, Text and Match as in ListOptions.
type Bulk struct {
	Action BulkAction
	Keep   time.Duration // for BulkKeep: see Manager.Keep
	Tags   TagChange     // for BulkTag

	IDs     []string // at most MaxPage
	OwnerID string
	Status  Status
	Text    string
	Match   string // by tags: Filter.Tags
	// Expected is the number of sessions that the caller saw match. With more, Bulk changes nothing and fails with an
	// UnexpectedError. Required without IDs.
	Expected int

	DryRun bool // only counts what matches, up to MaxBulk. Default: false
	// Progress is called before each session with the number of those done so far and of all; an error ends the work.
	// Default: none.
	Progress func(done, of int) error
}

// BulkResult is the result of a Bulk. When Bulk returns an error, it says what was done before the error.
type BulkResult struct {
	Matching int       `json:"matching"`
	Done     int       `json:"done"`
	Skipped  int       `json:"skipped"`  // sessions that are gone, or no longer match
	Failed   int       `json:"failed"`   // sessions that could not be changed
	Failures []Failure `json:"failures"` // the first 100 of them
}

// UnexpectedError says that more sessions match than a Bulk expected. Nothing was changed.
type UnexpectedError struct{ Expected int }

// Error names the expected number.
func (e *UnexpectedError) Error() string {
	return fmt.Sprintf("more than the %d sessions expected match; nothing was changed", e.Expected)
}

// Bulk changes sessions one by one, each in its own transaction and with its own event. It skips sessions that are
// gone, and those that no longer have the requested status. A session that cannot be changed does not stop it; an
// unavailable store or the end of ctx does.
func (m *Manager) Bulk(ctx context.Context, b Bulk) (BulkResult, error) {
	const operation = "change sessions"
	res := BulkResult{Failures: []Failure{}}
	change, err := m.bulkChange(b)
	if err != nil {
		return res, fmt.Errorf("%s: %w", operation, err)
	}
	if len(b.IDs) > 0 {
		res.Matching = len(b.IDs)
		if b.DryRun {
			return res, nil
		}
		err := m.bulkEach(ctx, b, b.IDs, change, &res)
		return res, err
	}
	owner, err := m.scope(operation, b.OwnerID)
	if err != nil {
		return res, err
	}
	if err := m.filterTags(operation, b.Match); err != nil {
		return res, err
	}
	// The longest unused first: what is used or reactivated meanwhile moves behind those that are still to come.
	q := Query{
		Filter: Filter{OwnerID: owner, Text: b.Text, Tags: b.Match}, Status: b.Status, Thresholds: m.policy.Thresholds(),
		Sort: SortLastActivity, Limit: MaxPage, CountUpTo: MaxBulk,
	}
	if !b.DryRun {
		q.CountUpTo = b.Expected + 1
	}
	page, err := m.store.List(ctx, q)
	if err != nil {
		return res, fmt.Errorf("%s: %w", operation, err)
	}
	res.Matching = page.Total
	if b.DryRun {
		return res, nil
	}
	if page.Total > b.Expected {
		return res, fmt.Errorf("%s: %w", operation, &UnexpectedError{b.Expected})
	}
	q.CountUpTo = 0
	for {
		var ids []string
		for _, s := range page.Sessions {
			ids = append(ids, s.ID)
		}
		err := m.bulkEach(ctx, b, ids, change, &res)
		if err != nil || page.Next == nil {
			return res, err
		}
		q.After = page.Next
		if page, err = m.store.List(ctx, q); err != nil {
			return res, fmt.Errorf("%s: %w", operation, err)
		}
	}
}

// bulkChange is what a Bulk does to one session: one of the Manager's methods.
func (m *Manager) bulkChange(b Bulk) (func(*Manager, context.Context, string) (Session, error), error) {
	switch {
	case len(b.IDs) > MaxPage:
		return nil, invalid.Errorf("Bulk.IDs has %d: want at most %d", len(b.IDs), MaxPage)
	case len(b.IDs) > 0 && (b.OwnerID != "" || b.Status != "" || b.Text != "" || b.Match != ""):
		return nil, invalid.Errorf("Bulk has IDs and a filter: want one of the two")
	case len(b.IDs) == 0 && !b.DryRun && (b.Expected < 1 || b.Expected > MaxBulk):
		return nil, invalid.Errorf("Bulk.Expected is %d: want 1 to %d", b.Expected, MaxBulk)
	case b.Status != "" && !slices.Contains(Statuses(), b.Status):
		return nil, invalid.Errorf("Bulk.Status is %q: want one of %s", b.Status, joined(Statuses()))
	}
	switch b.Action {
	case BulkDeactivate:
		return (*Manager).Deactivate, nil
	case BulkReactivate:
		return (*Manager).Reactivate, nil
	case BulkDelete:
		return (*Manager).Delete, nil
	case BulkProtect, BulkUnprotect:
		return func(m *Manager, ctx context.Context, id string) (Session, error) {
			return m.SetAutoCleanup(ctx, id, b.Action == BulkUnprotect)
		}, nil
	case BulkKeep:
		return func(m *Manager, ctx context.Context, id string) (Session, error) { return m.Keep(ctx, id, b.Keep) }, nil
	case BulkTag:
		if err := b.Tags.Validate(); err != nil || len(b.Tags.Add)+len(b.Tags.Remove) == 0 {
			return nil, cmp.Or(err, invalid.Errorf("Bulk.Tags is empty: want some to add or to remove"))
		}
		if _, err := m.tagger(string(b.Action)); err != nil {
			return nil, err
		}
		return func(m *Manager, ctx context.Context, id string) (Session, error) { return m.Tag(ctx, id, b.Tags) }, nil
	default:
		return nil, invalid.Errorf("Bulk.Action is %q: want one of %s", b.Action, joined(BulkActions()))
	}
}

// bulkEach changes some of the sessions of a Bulk.
func (m *Manager) bulkEach(
	ctx context.Context, b Bulk, ids []string, change func(*Manager, context.Context, string) (Session, error), res *BulkResult,
) error {
	conditional := m
	if b.Status != "" {
		conditional = m.If(func(s Session) bool { return s.Status == b.Status })
	}
	for _, id := range ids {
		if res.Done+res.Skipped+res.Failed == res.Matching { // others match since
			return nil
		}
		if b.Progress != nil {
			if err := b.Progress(res.Done+res.Skipped+res.Failed, res.Matching); err != nil {
				return err
			}
		}
		switch _, err := change(conditional, ctx, id); {
		case err == nil:
			res.Done++
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrNotFound), errors.Is(err, ErrChanged):
			res.Skipped++
		case errors.Is(err, ErrUnavailable), errors.Is(err, ErrForbidden), errors.Is(err, ErrNotInstalled), errors.Is(err, ErrInvalid):
			return err
		default:
			res.Failed++
			if len(res.Failures) < maxFailures {
				res.Failures = append(res.Failures, Failure{SessionID: id, Action: Action(b.Action), Error: err.Error()})
			}
		}
	}
	return nil
}
