package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// This file says how Migrate understands the times in the application's columns, and refuses times that cannot be right.

// timeColumn is a column of the application with times of its sessions' use.
type timeColumn struct {
	table relation
	column
	says bool // it says when something was made or used
}

func (m *mapping) timeColumns() []timeColumn {
	var all []timeColumn
	add := func(r relation, says bool, names ...string) {
		for _, name := range names {
			if c, ok := r.columns[name]; ok && name != "" {
				all = append(all, timeColumn{r, c, says})
			}
		}
	}
	add(m.table, true, m.schema.CreatedAt, m.schema.UpdatedAt, m.schema.LastActivity)
	add(m.table, false, m.schema.ExpiresAt, m.schema.DeactivatedAt)
	for _, src := range m.sources {
		if m.reads(src.relation) {
			add(src.relation, true, src.At)
		}
	}
	return all
}

// checkTimes notes how times are understood, and refuses a table whose newest time of use is more than a year from now.
func (p *plan) checkTimes(ctx context.Context, zoneWas string) error {
	if p.create {
		return nil
	}
	var naive []string
	var now time.Time
	var times adopt.Times
	utc := &mapping{zone: "UTC"}
	soon := func(t *time.Time) bool { return t.Before(now.Add(10 * time.Minute)) }
	for _, c := range p.m.timeColumns() {
		if c.base == "timestamp" || c.base == "date" {
			naive = append(naive, c.table.path()+"."+c.name)
		}
		if !c.says || p.set.complete > 0 && zoneWas == p.m.zone {
			continue
		}
		var first, last, inUTC *time.Time
		at := p.m.madeAtOf(c.column, "c.")
		where := "true"
		if c.table.oid == p.m.table.oid {
			where = p.m.visible("c.")
		}
		err := p.q.QueryRow(ctx, fmt.Sprintf("SELECT now(), min(%[1]s), max(%[1]s), max(%[5]s) FROM %[2]s c WHERE c.%[3]s > %[4]s AND %[6]s",
			at, c.table.sql(), sqlfile.Column(c.name), fixed(c.column, firstUse), utc.madeAtOf(c.column, "c."), where)).Scan(&now, &first, &last, &inUTC)
		if err != nil {
			return mapError("look at the times in "+c.table.path()+"."+c.name, err)
		}
		if last != nil && !soon(last) && soon(inUTC) && !p.opts.AcceptTimes {
			return invalid.Errorf("the newest time in %s.%s is %s when it is read in the zone %s, which is in the future; read in UTC it is not: migrate with --time-zone UTC, or with --accept-times if it is right",
				c.table.path(), c.name, say(*last), p.m.zone)
		}
		if first != nil && last != nil {
			times.Add(*first, *last)
		}
	}
	if len(naive) > 0 {
		slices.Sort(naive)
		p.note("the columns without a time zone (%s) are read in the zone %s; if the application writes them in another one, such as UTC, migrate with --time-zone ZONE",
			strings.Join(naive, ", "), p.m.zone)
		if zoneWas != "" && zoneWas != p.m.zone && p.set.backfilled {
			p.warn("the zone was %s until now: what was computed with it before, such as last activities that migrate filled in, stays", zoneWas)
		}
	}
	if times.Newest.IsZero() {
		return nil
	}
	p.note("%s", times)
	if p.opts.AcceptTimes {
		return nil
	}
	return times.Check(p.m.table.path(), now)
}

func say(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }
