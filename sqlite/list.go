package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// places are the expressions by which lists are sorted.
var places = map[sessioncleanup.Sort]string{
	sessioncleanup.SortLastActivity: "last_activity_at",
	sessioncleanup.SortCreated:      "place_created",
	sessioncleanup.SortName:         "place_name",
}

// List finds what is due, and an owner's sessions, through an index. Of all sessions, and where those are many, it reads lists by
// last activity in their order, see walk.go; in another order it reads the table.
func (s *Store) List(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
	q, err := sqlstore.Checked(q)
	if err != nil {
		return sessioncleanup.Page{}, err
	}
	return sqlstore.Answer(ctx, s.readingSessions, func(c *conn) (page sessioncleanup.Page, err error) {
		now := s.clock()
		page.Cutoffs = c.cutoffsAt(q.Thresholds)
		if q.Status != "" {
			if err := c.ruled(ctx, page.Cutoffs, false); err != nil {
				return page, err
			}
		}
		if q.ID != "" {
			err = c.answerOne(ctx, q, &page)
			return page, err
		}
		if q.CountUpTo > 0 {
			if page.Total, err = c.count(ctx, q, page.Cutoffs); err != nil {
				return page, err
			}
		}
		if q.Limit > 0 {
			page.Sessions, page.Next, err = c.page(ctx, q, page.Cutoffs, now)
		}
		return page, err
	})
}

// answerOne answers a query about one session.
func (c *conn) answerOne(ctx context.Context, q sessioncleanup.Query, page *sessioncleanup.Page) error {
	id, ok := c.adopted.ID.bind(q.ID)
	if !ok {
		return nil
	}
	s, err := c.one(ctx, id)
	if errors.Is(err, sessioncleanup.ErrNotFound) {
		return nil
	}
	selected := err == nil && q.Selects(s, page.Cutoffs)
	if selected && q.CountUpTo > 0 {
		page.Total = 1
	}
	if selected && q.Limit > 0 && (q.After == nil || q.Compare(q.Position(s), *q.After) > 0) {
		page.Sessions = []sessioncleanup.Session{s}
	}
	return err
}

// count counts what matches a query, up to its limit.
func (c *conn) count(ctx context.Context, q sessioncleanup.Query, cut sessioncleanup.Cutoffs) (total int, err error) {
	p := c.cutoffParams(cut)
	p["count_up_to"] = q.CountUpTo
	rows, noted, possible := c.rows(q, "1", p)
	if !possible {
		return 0, nil
	}
	err = c.row(ctx, c.sql("count", sqlfile.Names{"rows": rows, "noted_condition": noted}), p, &total)
	return total, err
}

// rows is the statement that selects columns of the sessions without a note that match a query, and noted the condition
// for those with one. It is false when no session can match.
func (l *layout) rows(q sessioncleanup.Query, columns string, p params) (rows, noted string, possible bool) {
	condition, noted, possible := l.where(q.Filter, q.Status, p)
	if q.OwnerID == "" && slices.Contains(due, q.Status) && (l.measure == nil || l.measure.byColumn) {
		condition, _, _ = l.where(q.Filter, "", p) // the statement has the condition of the status
		return l.stretches(q.Status, columns, condition), noted, possible
	}
	return l.sql("rows", sqlfile.Names{"columns": columns, "condition": condition}), noted, possible
}

// page reads a page, and one session more to see whether there is another page.
func (c *conn) page(ctx context.Context, q sessioncleanup.Query, cut sessioncleanup.Cutoffs, now time.Time) (
	sessions []sessioncleanup.Session, next *sessioncleanup.Position, err error,
) {
	p := c.cutoffParams(cut)
	p["limit"], p["first"], p["after_place"], p["after_id"] = q.Limit+1, q.After == nil, nil, nil
	if q.After != nil {
		if p["after_place"], p["after_id"], err = c.position(q); err != nil {
			return nil, nil, err
		}
	}
	many, err := c.many(ctx, q, cut)
	if err != nil {
		return nil, nil, err
	}
	if many {
		return c.walk(ctx, q, p, now)
	}
	place := places[q.Sort]
	found, noted, possible := c.rows(q, c.names["id"]+" AS id, "+c.names[place]+" AS place", p)
	if !possible {
		return nil, nil, nil
	}
	statement := c.sql("page", with(order(q), sqlfile.Names{
		"rows": found, "noted_condition": noted, "noted_place": c.noted[place], "noted_id": c.noted["id"],
	}))
	err = c.query(ctx, statement, p, func(rows *sql.Rows) error {
		session, err := scanSession(rows, now)
		sessions = append(sessions, session)
		return err
	})
	if err == nil && len(sessions) > q.Limit {
		sessions = sessions[:q.Limit]
		last := q.Position(sessions[q.Limit-1])
		next = &last
	}
	return sessions, next, err
}

// order fills in the direction of a list.
func order(q sessioncleanup.Query) sqlfile.Names {
	if q.Descending {
		return sqlfile.Names{"direction": "DESC", "beyond": "<"}
	}
	return sqlfile.Names{"direction": "ASC", "beyond": ">"}
}

// position is where a page starts, as the columns have it.
func (l *layout) position(q sessioncleanup.Query) (place, id any, err error) {
	place = q.After.Key
	if q.Sort != sessioncleanup.SortName && q.After.Key != "" {
		at, err := time.Parse(time.RFC3339Nano, q.After.Key)
		if err != nil {
			return nil, nil, invalid.Errorf("position %q is not a time: %v", q.After.Key, err)
		}
		place = formatTime(at)
	}
	id, ok := l.adopted.ID.bind(q.After.ID)
	if !ok {
		return nil, nil, invalid.Errorf("position has the ID %q, which no session can have", q.After.ID)
	}
	return place, id, nil
}

// scanSession reads the columns of session_columns, and what follows them into more.
func scanSession(row *sql.Rows, now time.Time, more ...any) (sessioncleanup.Session, error) {
	s := sessioncleanup.Session{AsOf: now}
	var created, updated, expires, deactivated, noted, warning sql.NullString
	var last, tags string
	var infinite, revives bool
	err := row.Scan(append([]any{&s.ID, &s.OwnerID, &s.OwnerName, &s.Name, &s.Code, &s.Active, &s.AutoCleanup,
		&created, &updated, &last, &expires, &deactivated, &noted, &infinite, &revives, &warning, &tags, &s.ActivityCount}, more...)...)
	if err != nil {
		return s, err
	}
	for _, t := range []struct {
		dest  *time.Time
		value string
	}{
		{&s.CreatedAt, created.String}, {&s.UpdatedAt, updated.String}, {&s.LastActivity, last}, {&s.ExpiresAt, expires.String},
		{&s.DeactivatedAt, deactivated.String},
	} {
		if *t.dest, err = sqlstore.ParseTime(t.value); err != nil {
			return s, fmt.Errorf("session %q: %w", s.ID, err)
		}
	}
	if s.Warning, err = sqlstore.ParseWarning(warning.String); err != nil {
		return s, fmt.Errorf("session %q: %w", s.ID, err)
	}
	if s.Tags, err = parseTags(tags); err != nil {
		return s, fmt.Errorf("session %q: %w", s.ID, err)
	}
	if !noted.Valid || last == endOfTime && infinite { // the session is kept
		return s, nil
	}
	used, err := sqlstore.ParseTime(noted.String)
	if last == endOfTime { // nothing was known
		s.LastActivity = time.Time{}
	}
	if revived, ok := (sessioncleanup.Touch{Reactivate: &activityCause}).Apply(s, used, revives); ok { // it never moves backward
		s = revived
	}
	return s, err
}
