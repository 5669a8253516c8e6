package sessioncleanup

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// MaxPage is the largest page that List and Events return.
const MaxPage = 1000

const defaultPage = 50

// ListOptions selects sessions for Manager.List. The zero value lists the first 50 sessions, longest unused first.
type ListOptions struct {
	OwnerID string // only this owner's. Default: all that the caller may see
	Status  Status // only these, or those of a selection, as SelectWaiting. Default: all
	Text    string // only those whose name, code or ID contains it. Default: all
	Tags    string // only those with these tags, and without others: see Filter.Tags. Default: all

	Sort       Sort   // Default: SortLastActivity
	Descending bool   // reverses the order
	Cursor     string // SessionPage.Next of the page before. Default: from the start
	Limit      int    // sessions in the page, at most MaxPage. Default: 50
	Count      bool   // also count what matches on all pages

	// InactiveAfter and DeleteAfter measure Status instead of the policy's thresholds. Default: the policy's.
	InactiveAfter time.Duration
	DeleteAfter   time.Duration
}

// SessionPage is a page of a list.
type SessionPage struct {
	Sessions []Session `json:"sessions"`
	Next     string    `json:"next_cursor,omitempty"` // for ListOptions.Cursor; empty when there is no more
	Total    int       `json:"total,omitempty"`       // what matches on all pages, when asked for
	Cutoffs  Cutoffs   `json:"-"`                     // what the sessions were measured against
}

// List returns a page of sessions. A session that does not change while the pages are read is on exactly one of them.
// In a large table a page may have fewer sessions than the limit, even none, while Next says where the list continues.
// A cursor belongs to one list: with another filter or order it is an ErrInvalid.
func (m *Manager) List(ctx context.Context, o ListOptions) (SessionPage, error) {
	const operation = "list sessions"
	owner, err := m.scope(operation, o.OwnerID)
	if err != nil {
		return SessionPage{}, err
	}
	o.OwnerID = owner
	policy, err := m.policy.override(o.InactiveAfter, o.DeleteAfter)
	if err == nil {
		err = o.normalize()
	}
	var after *Position
	if err == nil {
		after, err = o.decode(o.Cursor)
	}
	if err != nil {
		return SessionPage{}, fmt.Errorf("%s: %w", operation, err)
	}
	if err := m.filterTags(operation, o.Tags); err != nil {
		return SessionPage{}, err
	}
	q := Query{
		Filter: Filter{OwnerID: o.OwnerID, Text: o.Text, Tags: o.Tags}, Status: o.Status, Thresholds: policy.Thresholds(),
		Sort: o.Sort, Descending: o.Descending, After: after, Limit: o.Limit,
	}
	if o.Count {
		q.CountUpTo = countAll
	}
	page, err := m.store.List(ctx, q)
	if err != nil {
		return SessionPage{}, fmt.Errorf("%s: %w", operation, err)
	}
	out := SessionPage{Sessions: make([]Session, 0, len(page.Sessions)), Total: page.Total, Next: encodeCursor(o.fingerprint(), page.Next), Cutoffs: page.Cutoffs}
	for _, s := range page.Sessions {
		out.Sessions = append(out.Sessions, page.Cutoffs.Measure(s))
	}
	return out, nil
}

// ActivityTable returns the name, without its schema, of the table whose rows Session.ActivityCount counts. It returns
// "" when there is none, when there are several, and when the store does not say.
func (m *Manager) ActivityTable(ctx context.Context) (string, error) {
	installer, ok := InstallerOf(m.store)
	if !ok {
		return "", nil
	}
	schema, err := installer.Schema(ctx)
	if err != nil || len(schema.Sources) != 1 {
		return "", err
	}
	names := sqlfile.Split(schema.Sources[0].Table)
	return names[len(names)-1], nil
}

// normalize fills in defaults and reports what is wrong.
func (o *ListOptions) normalize() error {
	setIfZero(&o.Sort, SortLastActivity)
	switch {
	case !slices.Contains(Sorts(), o.Sort):
		return invalid.Errorf("sort is %q: want one of %s", o.Sort, joined(Sorts()))
	case o.Status != "" && !slices.Contains(Selections(), o.Status):
		return invalid.Errorf("status is %q: want one of %s", o.Status, joined(Selections()))
	case strings.ContainsRune(o.Text, 0):
		return invalid.Errorf("text is %q: want no NUL character", o.Text)
	}
	return checkLimit(&o.Limit)
}

// checkLimit fills in the size of a page, or reports a wrong one.
func checkLimit(limit *int) error {
	if *limit < 0 || *limit > MaxPage {
		return invalid.Errorf("limit is %d: want 1 to %d", *limit, MaxPage)
	}
	setIfZero(limit, defaultPage)
	return nil
}

// token is what a cursor holds: a position, and which list it belongs to. A database may hold texts that are not valid
// UTF-8, so they travel as bytes.
type token struct {
	List string `json:"l"`
	Key  []byte `json:"k"`
	ID   []byte `json:"i"`
}

// encodeCursor is the cursor of a list at a position; empty when that is nil.
func encodeCursor(list string, p *Position) string {
	if p == nil {
		return ""
	}
	data, err := json.Marshal(token{List: list, Key: []byte(p.Key), ID: []byte(p.ID)})
	if err != nil { // strings and bytes always marshal
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

func (o *ListOptions) decode(cursor string) (*Position, error) {
	p, err := decodeCursor(cursor, o.fingerprint())
	if p != nil && o.Sort != SortName && !isTimeKey(p.Key) {
		return nil, noCursor(cursor)
	}
	return p, err
}

func noCursor(cursor string) error {
	return invalid.Errorf("cursor is %.100q: want one from an earlier page", cursor)
}

// decodeCursor reads a cursor that encodeCursor made for the list; nil when it is empty.
func decodeCursor(cursor, list string) (*Position, error) {
	if cursor == "" {
		return nil, nil
	}
	var t token
	data, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(data, &t)
	}
	if err != nil {
		return nil, noCursor(cursor)
	}
	if t.List != list {
		return nil, invalid.Errorf("cursor belongs to a list with another filter or order: want the same as for the page before")
	}
	return &Position{Key: string(t.Key), ID: string(t.ID)}, nil
}

// fingerprint tells lists apart whose cursors must not be mixed.
func (o *ListOptions) fingerprint() string {
	sum := sha256.New()
	for _, part := range []string{
		o.OwnerID, string(o.Status), o.Text, string(o.Sort), strconv.FormatBool(o.Descending),
		o.InactiveAfter.String(), o.DeleteAfter.String(), o.Tags,
	} {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:9])
}

func joined[T ~string](values []T) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	return strings.Join(words, ", ")
}
