package sessioncleanup

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/shorten"
)

// MaxOwners is the number of owners that Manager.Owners keeps: those with the most sessions.
const MaxOwners = 5000

const maxOwnerName = 100 // characters of a name that it keeps

// OwnerCounter is implemented by stores that can count the sessions of all owners at once, for Manager.Owners.
type OwnerCounter interface {
	// CountOwners returns what OwnersOf returns for all sessions, measured by the thresholds at the store's clock.
	CountOwners(ctx context.Context, t Thresholds, limit int) (OwnerCounts, error)
}

// OwnerFigures is an owner with the figures of its sessions.
type OwnerFigures struct {
	OwnerID            string    `json:"owner_id"`
	OwnerName          string    `json:"owner_name"` // of Manager.Owners, its first 100 characters; may be empty
	Total              int       `json:"total"`
	Active             int       `json:"active"`
	Inactive           int       `json:"inactive"`
	Protected          int       `json:"protected"` // active or inactive, too
	DueForDeactivation int       `json:"due_for_deactivation"`
	DueForDeletion     int       `json:"due_for_deletion"`
	LastActivity       time.Time `json:"last_activity"` // the latest of all
}

// due is what a run would do to the owner's sessions.
func (o OwnerFigures) due() int { return o.DueForDeactivation + o.DueForDeletion }

// OwnerCounts are owners with their figures.
type OwnerCounts struct {
	Owners []OwnerFigures `json:"owners"` // those with the most sessions, the most first, then by ID, byte by byte
	Count  int            `json:"count"`  // all that have sessions
}

// OwnersOf counts sessions by owner and keeps the limit owners with the most. Sessions without an owner do not count.
// It defines what OwnerCounter.CountOwners returns.
func OwnersOf(all iter.Seq[Session], c Cutoffs, limit int) OwnerCounts {
	found := map[string]*OwnerFigures{}
	for s := range all {
		if s.OwnerID == "" {
			continue
		}
		o := found[s.OwnerID]
		if o == nil {
			o = &OwnerFigures{OwnerID: s.OwnerID}
			found[s.OwnerID] = o
		}
		o.add(s, c)
	}
	out := OwnerCounts{Owners: make([]OwnerFigures, 0, len(found)), Count: len(found)}
	for _, o := range found {
		out.Owners = append(out.Owners, *o)
	}
	slices.SortFunc(out.Owners, func(a, b OwnerFigures) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.OwnerID, b.OwnerID))
	})
	out.Owners = out.Owners[:min(len(out.Owners), limit)]
	return out
}

func (o *OwnerFigures) add(s Session, c Cutoffs) {
	o.OwnerName = max(o.OwnerName, s.OwnerName)
	o.Total++
	addIf(&o.Active, s.Active)
	addIf(&o.Inactive, !s.Active)
	addIf(&o.Protected, !s.AutoCleanup)
	addIf(&o.DueForDeactivation, c.Due(ActionDeactivated, s))
	addIf(&o.DueForDeletion, c.Due(ActionDeleted, s))
	if s.LastActivity.After(o.LastActivity) {
		o.LastActivity = s.LastActivity
	}
}

// OwnerSort is an order of owners.
type OwnerSort string

// The orders of owners; ties are broken by ID.
const (
	OwnersByTotal    OwnerSort = "total"         // by the number of sessions, the fewest first
	OwnersByActive   OwnerSort = "active"        // of active ones
	OwnersByDue      OwnerSort = "due"           // of those that a run would deactivate or delete
	OwnersByActivity OwnerSort = "last_activity" // longest unused first
	OwnersByID       OwnerSort = "owner"         // byte by byte
)

// OwnerSorts lists every order of owners.
func OwnerSorts() []OwnerSort {
	return []OwnerSort{OwnersByTotal, OwnersByActive, OwnersByDue, OwnersByActivity, OwnersByID}
}

// OwnerOptions selects owners for Manager.Owners. The zero value selects the 50 with the fewest sessions.
type OwnerOptions struct {
	Text       string    // only those whose ID or name contains it; ASCII letters match in either case. Default: all
	Sort       OwnerSort // Default: OwnersByTotal
	Descending bool      // reverses the order
	Cursor     string    // OwnerPage.Next of the page before. Default: from the start
	Limit      int       // owners in the page, at most MaxPage. Default: 50
}

// OwnerPage is a page of a list of owners.
type OwnerPage struct {
	Owners   []OwnerFigures `json:"owners"`
	Next     string         `json:"next_cursor,omitempty"` // for OwnerOptions.Cursor; empty when there is no more
	Matching int            `json:"matching"`              // owners on all pages
	Count    int            `json:"owner_count"`           // all owners that have sessions; beyond MaxOwners, the others are on no page
	At       time.Time      `json:"at"`                    // the store's clock when the sessions were counted
}

// Owners returns a page of the owners of sessions, with their figures. Counting takes at most 5% of one core, as for
// RecentStats; OwnerPage.At says how old the figures are. It fails with errors.ErrUnsupported unless the store is an
// OwnerCounter.
func (m *Manager) Owners(ctx context.Context, o OwnerOptions) (OwnerPage, error) {
	const operation = "list owners"
	if err := m.allowAll(operation); err != nil {
		return OwnerPage{}, err
	}
	after, err := o.normalize()
	if err != nil {
		return OwnerPage{}, fmt.Errorf("%s: %w", operation, err)
	}
	counter, err := storeAs[OwnerCounter](m, operation, "has no figures by owner")
	if err != nil {
		return OwnerPage{}, err
	}
	thresholds := m.policy.Thresholds()
	s, err := share(ctx, m, fmt.Sprintf("owners %+v", thresholds), func(ctx context.Context) (OwnerCounts, error) {
		all, err := counter.CountOwners(ctx, thresholds, MaxOwners)
		for i := range all.Owners {
			all.Owners[i].OwnerName = shorten.Text(all.Owners[i].OwnerName, maxOwnerName)
		}
		return all, err
	})
	if err != nil {
		return OwnerPage{}, fmt.Errorf("%s: %w", operation, err)
	}
	page := o.page(s.Value.Owners, after)
	page.At, page.Count = s.At, s.Value.Count
	return page, nil
}

// normalize fills in defaults, reports what is wrong, and reads the cursor.
func (o *OwnerOptions) normalize() (*Position, error) {
	setIfZero(&o.Sort, OwnersByTotal)
	if !slices.Contains(OwnerSorts(), o.Sort) {
		return nil, invalid.Errorf("sort is %q: want one of %s", o.Sort, joined(OwnerSorts()))
	}
	if err := checkLimit(&o.Limit); err != nil {
		return nil, err
	}
	return decodeCursor(o.Cursor, o.fingerprint())
}

// fingerprint tells lists apart whose cursors must not be mixed.
func (o *OwnerOptions) fingerprint() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "owners %q %s %t", o.Text, o.Sort, o.Descending))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// position is the owner's place in the order.
func (o *OwnerOptions) position(of OwnerFigures) Position {
	number := func(n int) string { return fmt.Sprintf("%020d", n) } // so that texts sort as numbers do
	switch o.Sort {
	case OwnersByActive:
		return Position{number(of.Active), of.OwnerID}
	case OwnersByDue:
		return Position{number(of.due()), of.OwnerID}
	case OwnersByActivity:
		return Position{keyOf(of.LastActivity), of.OwnerID}
	case OwnersByID:
		return Position{of.OwnerID, of.OwnerID}
	default:
		return Position{number(of.Total), of.OwnerID}
	}
}

// compare compares two places. Reversed, ties are still broken by ID from A to Z.
func (o *OwnerOptions) compare(a, b Position) int {
	order := strings.Compare(a.Key, b.Key)
	if o.Descending {
		order = -order
	}
	return cmp.Or(order, strings.Compare(a.ID, b.ID))
}

func (o *OwnerOptions) page(all []OwnerFigures, after *Position) OwnerPage {
	type placed struct {
		OwnerFigures
		at Position
	}
	var found []placed
	for _, owner := range all {
		if o.Text == "" || contains(owner.OwnerID, o.Text) || contains(owner.OwnerName, o.Text) {
			found = append(found, placed{owner, o.position(owner)})
		}
	}
	slices.SortFunc(found, func(a, b placed) int { return o.compare(a.at, b.at) })
	page := OwnerPage{Owners: []OwnerFigures{}, Matching: len(found)}
	for _, p := range found {
		switch {
		case after != nil && o.compare(p.at, *after) <= 0:
		case len(page.Owners) == o.Limit:
			last := o.position(page.Owners[o.Limit-1])
			page.Next = encodeCursor(o.fingerprint(), &last)
			return page
		default:
			page.Owners = append(page.Owners, p.OwnerFigures)
		}
	}
	return page
}
