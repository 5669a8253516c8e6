package memory

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
)

const (
	// scanStep is the number of sessions that a scan looks at before others get the lock.
	scanStep = 2000
	// fewDue is the number of due sessions up to which they are sorted for an order that no tree gives.
	fewDue = 10_000
)

// List gives the sessions that match the query, in its order. Pages without a text filter are counted in O(log n).
// A page is read from the tree of its order: O(log n) for what it skips, and a step for each session that it looks
// at. What is due is found in the trees of what is due, so that the others are not looked at. The lock is let go now
// and then while many sessions are looked at.
func (s *Store) List(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
	l, err := newListing(s, q)
	if err != nil {
		return sessioncleanup.Page{}, err
	}
	if q.ID != "" {
		return l.one(ctx)
	}
	var page sessioncleanup.Page
	if err := l.fill(ctx, &page); err != nil {
		return sessioncleanup.Page{}, err
	}
	return page, nil
}

// listing is one List at work.
type listing struct {
	store *Store
	q     sessioncleanup.Query
	text  string // Query.Text in lower case
	after *place
	// resumed is set once a scan let the lock go.
	resumed bool
}

func newListing(s *Store, q sessioncleanup.Query) (*listing, error) {
	q.Sort = cmp.Or(q.Sort, sessioncleanup.SortLastActivity)
	if !slices.Contains(sessioncleanup.Sorts(), q.Sort) {
		return nil, invalidf("sort is %q: want one of %q", q.Sort, sessioncleanup.Sorts())
	}
	if q.Status != "" && !slices.Contains(sessioncleanup.Statuses(), q.Status) {
		return nil, invalidf("status is %q: want one of %q", q.Status, sessioncleanup.Statuses())
	}
	l := &listing{store: s, q: q, text: lower(q.Text)}
	if q.After != nil {
		after, err := parsePosition(q.Sort, *q.After)
		if err != nil {
			return nil, err
		}
		l.after = &after
	}
	return l, nil
}

// fill fills the page in the way that costs least.
func (l *listing) fill(ctx context.Context, page *sessioncleanup.Page) error {
	if l.q.Text != "" && l.q.CountUpTo > 0 {
		return l.search(ctx, page)
	}
	if l.q.Text == "" {
		if done, err := l.counted(ctx, page); done || err != nil {
			return err
		}
	}
	if l.q.Limit <= 0 {
		return nil
	}
	return l.scan(ctx, l.after, func(e *entry) bool { return l.add(page, e) })
}

// search looks at sessions from the first one on, to count those that match, and picks up the page on its way.
func (l *listing) search(ctx context.Context, page *sessioncleanup.Page) error {
	full := l.q.Limit <= 0
	return l.scan(ctx, nil, func(e *entry) bool {
		if page.Total < l.q.CountUpTo {
			page.Total++
		}
		if !full && l.behind(e) {
			full = !l.add(page, e)
		}
		return !full || page.Total < l.q.CountUpTo
	})
}

// one lists a single session.
func (l *listing) one(ctx context.Context) (sessioncleanup.Page, error) {
	if err := l.store.lock(ctx); err != nil {
		return sessioncleanup.Page{}, err
	}
	defer l.store.mu.Unlock()
	var page sessioncleanup.Page
	e := l.store.find(sessioncleanup.Target{ID: l.q.ID, OwnerID: l.q.OwnerID})
	if e == nil || !l.matches(e) {
		return page, nil
	}
	page.Total = min(max(l.q.CountUpTo, 0), 1)
	if l.q.Limit > 0 && l.behind(e) {
		page.Sessions = append(page.Sessions, e.session())
	}
	return page, nil
}

// counted counts what matches a query without text and, when that is how it is found best, reads the page of what is
// due. It reports whether the page is complete.
func (l *listing) counted(ctx context.Context, page *sessioncleanup.Page) (bool, error) {
	isDue := l.q.Status == sessioncleanup.StatusToDeactivate || l.q.Status == sessioncleanup.StatusToDelete
	if l.q.CountUpTo <= 0 && !isDue {
		return false, nil
	}
	fresh := cutoffKey(l.q.Cutoffs) // what is due, and nothing else, is read here
	if err := l.store.lockFresh(ctx, fresh); err != nil {
		return false, err
	}
	defer l.store.mu.Unlock()
	x := l.store.of(l.q.OwnerID)
	total := x.count(l.q.Status, l.q.Cutoffs)
	page.Total = min(max(l.q.CountUpTo, 0), total)
	if l.q.Limit <= 0 {
		return true, nil
	}
	if !isDue || l.q.Sort != sessioncleanup.SortLastActivity && total > fewDue {
		return false, nil
	}
	d := x.dueForDeactivation(l.q.Cutoffs)
	if l.q.Status == sessioncleanup.StatusToDelete {
		d = x.dueForDeletion(l.q.Cutoffs)
	}
	for _, e := range l.due(d) {
		if !l.add(page, e) {
			break
		}
	}
	return true, nil
}

// count is the number of sessions with a status, or of all.
func (x *indexes) count(status sessioncleanup.Status, c sessioncleanup.Cutoffs) int {
	switch status {
	case sessioncleanup.StatusToDeactivate:
		return x.dueForDeactivation(c).count()
	case sessioncleanup.StatusToDelete:
		return x.dueForDeletion(c).count()
	case sessioncleanup.StatusActive:
		return x.due[activeIdle].size - x.dueForDeactivation(c).count()
	case sessioncleanup.StatusInactive:
		return x.due[inactiveIdle].size + x.due[inactiveExpired].size - x.dueForDeletion(c).count()
	case sessioncleanup.StatusProtected:
		return x.protected
	default:
		return x.activity.size
	}
}

// due gives what is due behind the position, in order: by last activity at least as much as a page holds, in
// another order all.
func (l *listing) due(d due) []*entry {
	most := math.MaxInt
	idle := d.idled(nil)
	if l.q.Sort == sessioncleanup.SortLastActivity {
		most = l.q.Limit + 1
		from := l.after.moment()
		if idle = d.idled(from); l.q.Descending {
			idle = d.idledReverse(from)
		}
	}
	var found []*entry
	take := func(it item[moment]) {
		if l.matches(it.entry) && l.behind(it.entry) {
			found = append(found, it.entry)
		}
	}
	for it := range idle {
		if take(it); len(found) == most {
			break
		}
	}
	for it := range d.expired(nil) {
		take(it)
	}
	slices.SortFunc(found, func(a, b *entry) int { return l.compare(l.place(a), l.place(b)) })
	return found
}

// scan walks all sessions behind a place, in the query's order, and hands those that match to visit, until it says
// no. Between steps it lets the lock go; what does not change meanwhile is met exactly once.
func (l *listing) scan(ctx context.Context, after *place, visit func(*entry) bool) error {
	for more := true; more; {
		if err := l.store.lockFresh(ctx, l.fresh(after)); err != nil {
			return err
		}
		after, more = l.step(after, visit)
		l.store.mu.Unlock()
		l.resumed = true
	}
	return nil
}

// fresh is up to where the index must be right for a step behind a place. The most recently used come first in a
// list that begins with what was touched, wherever that is indexed. The other way round a step puts right what it
// meets.
func (l *listing) fresh(after *place) moment {
	switch {
	case l.q.Sort != sessioncleanup.SortLastActivity:
		return noTime // no other order changes with a touch
	case l.q.Descending:
		return absent
	case after == nil:
		return noTime
	default:
		return after.time + 1
	}
}

// step does one step of a scan, and gives the place to go on from.
func (l *listing) step(after *place, visit func(*entry) bool) (*place, bool) {
	for looked := 0; looked < scanStep; looked++ {
		var last, touched *entry
		for e := range l.store.of(l.q.OwnerID).walk(l.q.Sort, l.q.Descending, after) {
			if l.q.Sort == sessioncleanup.SortLastActivity && e.stale {
				touched = e
				break
			}
			if l.matches(e) && !visit(e) {
				return nil, false
			}
			last = e
			if looked++; looked == scanStep {
				break
			}
		}
		if last != nil {
			after = new(l.place(last))
		}
		if touched != nil { // it belongs further behind
			l.store.index(touched)
		} else if looked < scanStep {
			return nil, false
		}
	}
	return after, true
}

// add puts a session on the page, or notes that there is a next page and reports that this one is full. A session
// that was used during a long scan, and is met again where it is now, stands on the page once.
func (l *listing) add(page *sessioncleanup.Page, e *entry) bool {
	if l.resumed {
		for i := range page.Sessions {
			if page.Sessions[i].ID == e.stored.ID {
				return true
			}
		}
	}
	if n := len(page.Sessions); n == l.q.Limit {
		page.Next = placeOf(l.q.Sort, &page.Sessions[n-1]).position(l.q.Sort)
		return false
	}
	page.Sessions = append(page.Sessions, e.session())
	return true
}

func (l *listing) place(e *entry) place { return placeOf(l.q.Sort, new(e.session())) }

// compare orders places as the query asks.
func (l *listing) compare(a, b place) int {
	if l.q.Descending {
		a, b = b, a
	}
	return a.compare(b)
}

// behind reports whether a session comes after the page before.
func (l *listing) behind(e *entry) bool {
	return l.after == nil || l.compare(l.place(e), *l.after) > 0
}

// matches reports whether a session has the query's status and text. Its owner is known to be right.
func (l *listing) matches(e *entry) bool {
	if l.q.Status != "" && l.q.Cutoffs.Status(e.session()) != l.q.Status {
		return false
	}
	return l.text == "" || contains(e.stored.Name, l.text) || contains(e.stored.Code, l.text) || contains(e.stored.ID, l.text)
}

// contains reports whether s contains text, which is in lower case; ASCII letters match in either case.
func contains(s, text string) bool {
	for ; len(s) >= len(text); s = s[1:] {
		i := 0
		for i < len(text) && lowerByte(s[i]) == text[i] {
			i++
		}
		if i == len(text) {
			return true
		}
	}
	return false
}

// lower is s with its ASCII letters in lower case.
func lower(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] = lowerByte(b[i])
	}
	return string(b)
}

func lowerByte(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + ('a' - 'A')
	}
	return b
}
