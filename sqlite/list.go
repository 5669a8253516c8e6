package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// List gives the sessions that match the query, in its order. What is due is found by its index; other lists look at
// every session, or at every one of the owner.
func (s *Store) List(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
	var page sessioncleanup.Page
	if q.Sort == "" {
		q.Sort = sessioncleanup.SortLastActivity
	}
	if !slices.Contains(sessioncleanup.Sorts(), q.Sort) {
		return page, invalidf("sort is %q: want one of %q", q.Sort, sessioncleanup.Sorts())
	}
	if q.Status != "" && !slices.Contains(sessioncleanup.Statuses(), q.Status) {
		return page, invalidf("status is %q: want one of %q", q.Status, sessioncleanup.Statuses())
	}
	err := s.readingSessions(ctx, func(w *work) error {
		v := cutoffs(q.Cutoffs)
		conditions, ok := w.filter(q, v)
		if !ok {
			return nil
		}
		if q.CountUpTo > 0 {
			v["count_up_to"] = q.CountUpTo
			if err := w.row(ctx, w.counting(q, conditions), v, &page.Total); err != nil {
				return err
			}
		}
		if q.Limit <= 0 {
			return nil
		}
		return w.page(ctx, q, conditions, v, &page)
	})
	if err != nil {
		return sessioncleanup.Page{}, err
	}
	return page, nil
}

// cutoffs are the parameters that sessions are measured against; NULL where a phase is off.
func cutoffs(c sessioncleanup.Cutoffs) values {
	v := values{"inactive": formatTime(c.Inactive), "delete": formatTime(c.Delete), "expired": formatTime(c.Now)}
	if c.Inactive.IsZero() {
		v["expired"] = nil
	}
	return v
}

// filter gives the conditions of a query and adds their parameters. It is false when no session can match.
func (l *layout) filter(q sessioncleanup.Query, v values) (conditions []string, ok bool) {
	if q.ID != "" {
		if v["id"], ok = l.adopted.ID.bind(q.ID); !ok {
			return nil, false
		}
		conditions = append(conditions, "with_id")
	}
	if q.OwnerID != "" {
		if v["owner"], ok = l.adopted.Owner.bind(q.OwnerID); !ok {
			return nil, false
		}
		conditions = append(conditions, "with_owner")
	}
	if q.Status != "" {
		conditions = append(conditions, "status_"+string(q.Status))
	}
	if q.Text != "" {
		v["text"] = q.Text
		conditions = append(conditions, "with_text")
	}
	return conditions, true
}

// counting is the statement that counts what matches.
func (l *layout) counting(q sessioncleanup.Query, conditions []string) string {
	all := len(conditions) == 1
	switch {
	case q.Status == sessioncleanup.StatusToDelete && all:
		return l.sql("count_all_to_delete")
	case q.Status == sessioncleanup.StatusToDeactivate && all:
		return l.sql("count_all_to_deactivate")
	case q.Status == sessioncleanup.StatusToDeactivate:
		rest := slices.DeleteFunc(slices.Clone(conditions), func(c string) bool { return c == "status_to_deactivate" })
		return l.sql("count_to_deactivate", rest...)
	default:
		return l.sql("count", conditions...)
	}
}

// page reads a page, and one row more to see whether there is another page.
func (w *work) page(ctx context.Context, q sessioncleanup.Query, conditions []string, v values, page *sessioncleanup.Page) error {
	v["limit"] = q.Limit + 1
	direction, order := "ASC", "ascending"
	if q.Descending {
		direction, order = "DESC", "descending"
	}
	if q.After != nil {
		conditions = append(slices.Clone(conditions), order)
		if err := w.after(q, v); err != nil {
			return err
		}
	}
	statement := w.once(fmt.Sprint("page", q.Sort, direction, conditions), func() string {
		place := sqlfile.Names{"place": filled("place_"+string(q.Sort), w.names), "direction": direction}
		names := with(w.names, place)
		for _, order := range []string{"ascending", "descending"} {
			names[order] = filled(order, names)
		}
		names["condition"] = (&layout{names: names}).all(conditions)
		return filled("page", names)
	})
	var keys []string
	err := w.query(ctx, statement, v, func(rows *sql.Rows) error {
		var key string
		session, err := scanSession(rows, &key)
		page.Sessions, keys = append(page.Sessions, session), append(keys, key)
		return err
	})
	if err != nil || len(page.Sessions) <= q.Limit {
		return err
	}
	page.Sessions = page.Sessions[:q.Limit]
	last := q.Limit - 1
	page.Next = &sessioncleanup.Position{Key: keys[last], ID: page.Sessions[last].ID}
	if q.Sort != sessioncleanup.SortName && keys[last] != "" {
		at, err := parseTime(keys[last])
		if err != nil {
			return err
		}
		page.Next.Key = at.Format(time.RFC3339Nano)
	}
	return nil
}

// after adds the parameters that say where a page starts.
func (l *layout) after(q sessioncleanup.Query, v values) error {
	v["after_place"] = q.After.Key
	if q.Sort != sessioncleanup.SortName && q.After.Key != "" {
		at, err := time.Parse(time.RFC3339Nano, q.After.Key)
		if err != nil {
			return invalidf("position %q is not a time: %v", q.After.Key, err)
		}
		v["after_place"] = formatTime(at)
	}
	id, ok := l.adopted.ID.bind(q.After.ID)
	if !ok {
		return invalidf("position has the ID %q, which no session can have", q.After.ID)
	}
	v["after_id"] = id
	return nil
}

// scanSession reads the columns of session_columns, and what comes after them.
func scanSession(row *sql.Rows, more ...any) (sessioncleanup.Session, error) {
	var s sessioncleanup.Session
	var created, updated, expires sql.NullString
	var last string
	dest := []any{
		&s.ID, &s.OwnerID, &s.OwnerName, &s.Name, &s.Code, &s.Active, &s.AutoCleanup,
		&created, &updated, &last, &expires, &s.ActivityCount,
	}
	if err := row.Scan(append(dest, more...)...); err != nil {
		return s, err
	}
	for _, t := range []struct {
		dest  *time.Time
		value string
	}{{&s.CreatedAt, created.String}, {&s.UpdatedAt, updated.String}, {&s.LastActivity, last}, {&s.ExpiresAt, expires.String}} {
		var err error
		if *t.dest, err = parseTime(t.value); err != nil {
			return s, fmt.Errorf("session %q: %w", s.ID, err)
		}
	}
	return s, nil
}

// Counts gives the figures of all sessions, or of one owner's. Those of all come from the indexes.
func (s *Store) Counts(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	var counts sessioncleanup.Counts
	err := s.readingSessions(ctx, func(w *work) error {
		v := cutoffs(q.Cutoffs)
		conditions, ok := w.filter(sessioncleanup.Query{OwnerID: q.OwnerID}, v)
		if !ok {
			return nil
		}
		statement := w.sql("counts_of_all")
		if q.OwnerID != "" {
			statement = w.sql("counts", conditions...)
		}
		var idle, expired, gone sql.NullString
		err := w.row(ctx, statement, v, &counts.Total, &counts.Active, &counts.Old, &counts.Protected,
			&counts.DueForDeactivation, &counts.DueForDeletion, &idle, &expired, &gone)
		if err != nil {
			return err
		}
		counts.Inactive = counts.Total - counts.Active
		for _, oldest := range []struct {
			at     string
			cutoff time.Time
		}{{idle.String, q.Cutoffs.Inactive}, {expired.String, q.Cutoffs.Now}, {gone.String, q.Cutoffs.Delete}} {
			at, err := parseTime(oldest.at)
			if err != nil {
				return err
			}
			if !at.IsZero() {
				counts.OldestOverdue = max(counts.OldestOverdue, oldest.cutoff.Sub(at))
			}
		}
		return nil
	})
	return counts, err
}
