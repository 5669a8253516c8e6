package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// This file reads lists by last activity along indexes, however large the table is. A condition that these do not decide, a text for
// example, is looked for among a limited number of sessions; the page then ends early and says where the next one begins.

const (
	// fewSessions are found by what selects them, and sorted.
	fewSessions = 5000
	// walked is how many sessions of each part of a table a page looks at.
	walked = 4000
)

// due are the selections that have an index of their own.
var due = []sessioncleanup.Status{
	sessioncleanup.StatusToDeactivate, sessioncleanup.StatusToDelete, sessioncleanup.SelectToWarn, sessioncleanup.SelectWaiting,
}

// many reports whether a list is read along an index: it is by last activity, and neither the owner nor what is due leaves few.
func (c *conn) many(ctx context.Context, q sessioncleanup.Query, cut sessioncleanup.Cutoffs) (bool, error) {
	selects := sessioncleanup.Query{Filter: sessioncleanup.Filter{OwnerID: q.OwnerID}}
	switch {
	case q.Sort != sessioncleanup.SortLastActivity:
		return false, nil
	case q.OwnerID != "":
	case slices.Contains(due, q.Status):
		selects.Status = q.Status
	default:
		return true, nil
	}
	p := c.cutoffParams(cut)
	p["few"] = fewSessions + 1
	rows, _, possible := c.rows(selects, "1", p)
	if !possible {
		return false, nil
	}
	var count int
	err := c.row(ctx, c.sql("few", sqlfile.Names{"rows": rows}), p, &count)
	return count > fewSessions, err
}

// walk reads a page along the indexes, up to where the search of one of them ended.
func (c *conn) walk(ctx context.Context, q sessioncleanup.Query, p params, now time.Time) (
	sessions []sessioncleanup.Session, next *sessioncleanup.Position, err error,
) {
	condition, noted, possible := c.where(q.Filter, q.Status, p)
	if !possible {
		return nil, nil, nil
	}
	names := with(order(q), sqlfile.Names{
		"place": c.names["last_activity_at"], "past": "1", "condition": condition,
		"noted_condition": noted, "noted_place": c.noted["last_activity_at"], "noted_id": c.noted["id"], "noted_past": "1",
	})
	if q.After != nil {
		names["past"] = c.sql("past", names)
		names["noted_past"] = filled("past", with(names, sqlfile.Names{"place": names["noted_place"], "id": names["noted_id"]}))
	}
	part := "walk_all"
	if q.Filter != (sessioncleanup.Filter{}) || q.Status != "" && q.Status != sessioncleanup.StatusProtected {
		part, p["walked"] = "walk_some", walked
	}
	var parts []string
	for _, rule := range walkParts(q.Status) {
		parts = append(parts, c.sql(part, with(names, sqlfile.Names{"index": "sessioncleanup_" + listIndexes[rule], "part": c.names[rule] + c.names["if_unclassed"]})))
	}
	if c.adopted.Classed {
		parts = append(parts, c.sql(part, with(names, sqlfile.Names{"index": "sessioncleanup_classed", "part": c.names["has_class"] + c.names["if_visible"]})))
	}
	names["parts"] = strings.Join(parts, "\nUNION ALL\n")
	ended := false
	err = c.query(ctx, c.sql("walk", names), p, func(rows *sql.Rows) error {
		var found, ends bool
		session, err := scanSession(rows, now, &found, &ends)
		if err != nil || ended {
			return err
		}
		if len(sessions) == q.Limit { // there is another page
			ended = true
			return nil
		}
		last := q.Position(session)
		next, ended = &last, ends
		if found {
			sessions = append(sessions, session)
		}
		return nil
	})
	if !ended {
		next = nil
	}
	return sessions, next, err
}

// listIndexes are the indexes in the order of last activities, by the rule for the sessions that they hold.
var listIndexes = map[string]string{"running": "idle", "ended": "ended", "protected": "protected"}

// walkParts are the rules of the parts of the table that hold the sessions with a status, or all.
func walkParts(status sessioncleanup.Status) []string {
	switch status {
	case sessioncleanup.StatusActive, sessioncleanup.StatusToDeactivate:
		return []string{"running"}
	case sessioncleanup.StatusInactive, sessioncleanup.StatusToDelete, sessioncleanup.SelectToWarn, sessioncleanup.SelectWaiting:
		return []string{"ended"}
	case sessioncleanup.StatusProtected:
		return []string{"protected"}
	default:
		return []string{"running", "ended", "protected"}
	}
}
