package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// List finds due sessions, and an owner's sessions, along an index. Lists by last activity of all sessions, or of an
// owner with many, are read in the order of an index; see walk.go. Lists in another order read the table.
func (s *Store) List(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return sessioncleanup.Page{}, err
	}
	if q.After != nil && (!m.isID(q.After.ID) || !canBe(column{base: "text"}, q.After.Key)) {
		return sessioncleanup.Page{}, invalid.Errorf("position is %q: want one from an earlier page", *q.After)
	}
	var page sessioncleanup.Page
	var listing listing
	args, err := s.dueArgs(ctx, m, &q)
	if err == nil && q.Limit > 0 && !m.matchesNothing(q.Filter) {
		listing, err = s.listing(ctx, m, q, args)
	}
	if err != nil {
		return sessioncleanup.Page{}, s.failed("list sessions", err)
	}
	now, err := s.read(ctx, func(batch *pgx.Batch) {
		if m.matchesNothing(q.Filter) {
			return
		}
		args := slices.Clip(append(args, orNull(string(q.Status))))
		if q.Limit > 0 { // one more than asked, to know whether there is a next page
			if listing.walks {
				batch.Queue(statements["in_order"], "off")
			}
			batch.Queue(listing.sql, listing.args...).Query(func(rows pgx.Rows) error { return readPage(rows, q, &page) })
			if listing.walks {
				batch.Queue(statements["in_order"], "on")
			}
		}
		if q.CountUpTo > 0 {
			statement, args := m.statement("count", m.measuring(q.Thresholds), m.dueAmong(q.Status)), append(args, q.CountUpTo)
			if q.Status == sessioncleanup.StatusToDeactivate && q.CountUpTo > fewSessions && m.indexed(q.Filter, q.Thresholds) {
				statement, args = m.byIndex("count_to_deactivate"), append(slices.Clip(args[:3]), q.CountUpTo)
			}
			batch.Queue(statement, args...).QueryRow(func(row pgx.Row) error { return row.Scan(&page.Total) })
		}
	})
	if err != nil {
		return sessioncleanup.Page{}, s.failed("list sessions", err)
	}
	for i := range page.Sessions {
		page.Sessions[i].AsOf = now
	}
	page.Cutoffs = m.cutoffs(q.Thresholds, now)
	return page, nil
}

// readPage reads the rows of a list: its place in the order, whether it was found and whether the search ended there
// follow each session.
func readPage(rows pgx.Rows, q sessioncleanup.Query, page *sessioncleanup.Page) error {
	var last sessioncleanup.Position
	for rows.Next() {
		if len(page.Sessions) == q.Limit {
			page.Next = &last
			break
		}
		var place any
		var found, end bool
		session, err := scanSession(rows, &place, &found, &end)
		if err != nil {
			return err
		}
		last = sessioncleanup.Position{Key: placeKey(place), ID: session.ID}
		if found {
			page.Sessions = append(page.Sessions, session)
		}
		if end { // sessions of this part beyond it were not looked at
			page.Next = &last
			break
		}
	}
	rows.Close()
	return rows.Err()
}

// placeKey is a Position.Key. Unknown times are at -infinity.
func placeKey(place any) string {
	switch v := place.(type) {
	case string:
		return v
	case time.Time:
		return v.UTC().Format(placeFormat)
	default:
		return ""
	}
}

// placeFormat is that of a Position.Key.
const placeFormat = "2006-01-02T15:04:05.000000000Z"

// read sends what queries queues in one round trip, and returns the now() that all of it sees.
func (s *Store) read(ctx context.Context, queries func(*pgx.Batch)) (time.Time, error) {
	var now time.Time
	batch := &pgx.Batch{}
	batch.Queue(statements["now"]).QueryRow(func(row pgx.Row) error { return row.Scan(&now, nil, nil) })
	queries(batch)
	err := s.pool.SendBatch(ctx, batch).Close()
	return now.UTC(), err
}

// readArgs are the first six parameters of what reads sessions; NULL does not filter, and turns a phase off.
func readArgs(f sessioncleanup.Filter, t sessioncleanup.Thresholds) []any {
	c := t.At(time.Now())
	return []any{moment(t.Now), spans(c, false), rulesOf(c), orNull(f.ID), orNull(f.OwnerID), words(f)}
}

// words are the text of a filter, NULL for none, and the words of its tags.
func words(f sessioncleanup.Filter) []*string {
	all := []*string{orNull(f.Text)}
	for word := range strings.FieldsSeq(f.Tags) {
		all = append(all, &word)
	}
	return all
}

// cutoffs are the thresholds at the store's clock.
func (m *mapping) cutoffs(t sessioncleanup.Thresholds, now time.Time) sessioncleanup.Cutoffs {
	c := t.At(now)
	c.Untracked = m.untracked
	return c
}

// matchesNothing reports whether a filter selects no session of this table, whatever the table holds.
func (m *mapping) matchesNothing(f sessioncleanup.Filter) bool {
	return f.ID != "" && !m.isID(f.ID) || f.OwnerID != "" && !m.isOwner(f.OwnerID) || strings.ContainsRune(f.Text, 0)
}

// order fills in the order of a list. Times that are not known, or not finite, come first.
func (m *mapping) order(q sessioncleanup.Query) sqlfile.Names {
	n := sqlfile.Names{"direction": "ASC", "beyond": ">", "key_type": "timestamptz"}
	if q.Descending {
		n["direction"], n["beyond"] = "DESC", "<"
	}
	switch q.Sort {
	case sessioncleanup.SortName:
		n["key"], n["key_type"] = fmt.Sprintf(`coalesce(%s, '') COLLATE "C"`, m.names["name_text"]), "text"
	case sessioncleanup.SortCreated:
		n["key"] = m.placeOf(m.schema.CreatedAt, m.names["created_at_out"])
	default:
		n["key"] = m.placeOf(m.schema.LastActivity, m.names["last_activity_out"])
	}
	return n
}

// after is the position after which a page begins, for the order; NULL for the first page.
func after(q sessioncleanup.Query) (key, id *string) {
	if q.After == nil {
		return nil, nil
	}
	if q.After.Key == "" && q.Sort != sessioncleanup.SortName {
		return new("-infinity"), &q.After.ID
	}
	return &q.After.Key, &q.After.ID
}

// scanSession reads the session_columns, and what follows them into more.
func scanSession(row pgx.Row, more ...any) (sessioncleanup.Session, error) {
	var session sessioncleanup.Session
	var created, updated, expires, deactivated *time.Time
	var warning []*time.Time
	var tags []string
	err := row.Scan(append([]any{
		&session.ID, &session.OwnerID, &session.OwnerName, &session.Name, &session.Code, &session.Active, &session.AutoCleanup,
		&created, &updated, &session.LastActivity, &expires, &deactivated, &warning, &tags, &session.ActivityCount,
	}, more...)...)
	session.CreatedAt, session.UpdatedAt, session.ExpiresAt = utc(created), utc(updated), utc(expires)
	session.LastActivity, session.DeactivatedAt = session.LastActivity.UTC(), utc(deactivated)
	if len(tags) > 0 {
		session.Tags = tags
	}
	if len(warning) == 4 {
		session.Warning = sessioncleanup.Warning{For: utc(warning[0]), QueuedAt: utc(warning[1]), DeliveredAt: utc(warning[2]), UndeliverableAt: utc(warning[3])}
	}
	return session, err
}

func utc(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
