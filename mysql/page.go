package mysql

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// fewSessions is the largest number of due sessions that a page reads completely and sorts. With more, it walks an
// index.
const fewSessions = 5000

// page reads one page, and one session more to find out whether there is a next page. When few sessions match, it sorts
// them; otherwise it reads along an index.
func (c *conn) page(ctx context.Context, q sessioncleanup.Query, names sqlfile.Names, p params, few bool, now time.Time) (
	sessions []sessioncleanup.Session, next *sessioncleanup.Position, err error,
) {
	names = with(names, sqlfile.Names{
		"session_columns": c.sql("session_columns", sqlfile.Names{"warning": statements["warning"]}), "place": statements[places[q.Sort]], "direction": "ASC", "after": ">", "beyond": "TRUE",
	})
	if q.Descending {
		names["direction"], names["after"] = "DESC", "<"
	}
	p["limit"] = q.Limit + 1
	if q.After != nil {
		names["beyond"] = c.sql("beyond", names)
		if p["after_place"], p["after_id"], err = c.position(q); err != nil {
			return nil, nil, err
		}
	}
	by := c.pageColumn(q)
	if few { // the names have them
		by = ""
	}
	var end *sessioncleanup.Position
	if by != "" {
		if end, err = c.end(ctx, q, names, by, p); err != nil {
			return nil, nil, err
		}
		names = c.onlyMembers(names, q, by, end)
		p["last"] = q.Limit
	}
	err = c.query(ctx, c.sql("page", names), p, func(rows *sql.Rows) error {
		var owner string
		var activity int64
		r, err := scan(rows, &owner, &activity)
		session := r.seen(c.layout)
		session.OwnerName, session.ActivityCount, session.AsOf = owner, activity, now
		sessions = append(sessions, session)
		return err
	})
	if err == nil && len(sessions) > q.Limit {
		sessions = sessions[:q.Limit]
		last := q.Position(sessions[q.Limit-1])
		return sessions, &last, nil
	}
	return sessions, end, err
}

// walked is how many sessions a page reads along an index when it has to check a condition that the index does not
// cover.
const walked = 4000

// end returns the last position that a page may read up to, or nil when it may read to the end.
func (c *conn) end(ctx context.Context, q sessioncleanup.Query, names sqlfile.Names, by string, p params) (*sessioncleanup.Position, error) {
	if q.Text == "" && q.Tags == "" && (q.Status == "" || len(duesOf[q.Status]) > 0) || q.OwnerID != "" {
		return nil, nil
	}
	few, err := c.fewTagged(ctx, q.Tags)
	if err != nil || few {
		return nil, err
	}
	names = with(names, sqlfile.Names{"by_column": sqlfile.Column(by), "further": "TRUE", "last_of_time": "DESC"})
	if q.Descending {
		names["last_of_time"] = "ASC"
	}
	if q.After != nil {
		names["further"] = c.sql("further", names)
	}
	p["walked"] = walked - 1
	var at sql.NullTime
	var id string
	err = c.row(ctx, c.sql("end_of_page", names), p, &at, &id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	end := q.Position(sessioncleanup.Session{ID: id, LastActivity: at.Time, CreatedAt: at.Time})
	p["end_place"], p["end_id"], err = c.position(sessioncleanup.Query{Sort: q.Sort, After: &end})
	return &end, err
}

// fewTagged reports whether some word of Filter.Tags matches so few sessions that they are found by their tags.
func (c *conn) fewTagged(ctx context.Context, words string) (bool, error) {
	for word := range strings.FieldsSeq(words) {
		if strings.HasPrefix(word, "-") {
			continue
		}
		var found int
		err := c.row(ctx, statements["count_tagged"], params{"tags": tagsOf(word), "few": fewSessions + 1}, &found)
		if err != nil || found <= fewSessions {
			return err == nil, err
		}
	}
	return false, nil
}

// pageColumn returns the column whose index has the order of the page, or "" when there is none. A single session is
// found by its ID instead.
func (l *layout) pageColumn(q sessioncleanup.Query) string {
	switch {
	case q.ID != "":
		return ""
	case q.Sort == sessioncleanup.SortLastActivity:
		return l.schema.LastActivity
	case q.Sort == sessioncleanup.SortCreated:
		return l.schema.CreatedAt
	default:
		return ""
	}
}

// onlyMembers limits a page to an index range that contains its sessions.
func (l *layout) onlyMembers(names sqlfile.Names, q sessioncleanup.Query, by string, end *sessioncleanup.Position) sqlfile.Names {
	due := names["quiet_status"]
	names = with(names, sqlfile.Names{
		"by_column": sqlfile.Column(by), "quiet_status": "TRUE", "from": "TRUE", "later": "TRUE", "from_operator": ">=", "until": "<=", "before": "<", "furthest": "TIMESTAMP'9999-12-31 23:59:59'",
	})
	switch {
	case len(duesOf[q.Status]) > 0:
		names["quiet_status"] = due
	case q.Status != "":
		names["quiet_status"] = l.tableRules["status_"+string(q.Status)]
	}
	if q.Descending {
		names["from_operator"], names["until"], names["before"], names["furthest"] = "<=", ">=", ">", "TIMESTAMP'0001-01-01 00:00:00'"
	}
	if q.After != nil {
		names["from"], names["later"] = l.sql("quiet_from", names), l.sql("quiet_later", names)
	}
	if end != nil {
		names["from"] += " AND " + l.sql("quiet_until", names)
		names["beyond"] += " AND " + l.sql("before_end", names)
	}
	names["quiet"] = l.sql("quiet", names)
	names["seen"] = l.seen(sqlfile.Names{
		"members": "(" + l.sql("members", names) + ") AS m STRAIGHT_JOIN", "members_on": "ON " + l.names["id"] + " = m.id",
	})
	return names
}

// position returns q.After as the values that the SQL expressions compare.
func (l *layout) position(q sessioncleanup.Query) (place, id any, err error) {
	switch {
	case q.Sort == sessioncleanup.SortName:
		place = []byte(q.After.Key)
	case q.After.Key == "":
		place = noPlace
	default:
		if place, err = time.Parse(time.RFC3339Nano, q.After.Key); err != nil {
			return nil, nil, invalid.Errorf("position %q is not a time: %v", q.After.Key, err)
		}
	}
	id, ok := l.adopted.ID.bind(q.After.ID)
	if !ok {
		return nil, nil, invalid.Errorf("position has the ID %q, which no session can have", q.After.ID)
	}
	if l.adopted.ID == identityText {
		id = []byte(q.After.ID)
	}
	return place, id, nil
}
