package postgres

import (
	"slices"

	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// This file is about activity that no trigger noticed: a trigger was missing or disabled, or a connection left all of them
// out. Migrate fills it in from the rows that show it. Runs fail from the moment that Migrate makes such a trigger again
// until that is done.

// gap is a table, an activity table or one below it, whose rows were not noticed for some time. Without a table it is that of
// the sessions.
type gap struct {
	source source
	table  string // in SQL
	fresh  bool   // the activity table was not followed before: as at an adoption, only times in its rows count
}

// adopted reports whether an earlier migration was finished.
func (p *plan) adopted() bool { return p.set.complete == adoption }

// catchUp changes the backfill so that it only moves last activities forward, by more than what runs allow for anyway, and
// returns the parts of it that are left. In a table that was rebuilt, sessions may have lost theirs: they count as used now.
func (p *plan) catchUp(n sqlfile.Names) []string {
	n["backfill_unknown"], n["backfill_known"], n["backfill_undated"] = "false", "now()", "false"
	if p.rebuilt || !p.set.backfilled {
		n["backfill_unknown"] = p.m.statement("backfill_lost")
	}
	n["backfill_patience"] = "(SELECT p.touch_interval FROM " + p.m.own("policy") + " p)"
	return []string{"backfill_later", "backfill_lags", "backfill_revived", "backfill_needed", "backfill_set"}
}

// restored is the SQL of a step that restores to the table of sessions what an earlier migration added to it: the table
// was rebuilt. Runs fail until what it lost meanwhile is filled in, and set the classes of sessions with tags again.
func (p *plan) restored(sql ...string) []string {
	if !p.adopted() {
		return sql
	}
	p.rebuilt = true
	return append(sql, p.m.statement("settings_unfilled"), p.m.statement("walk_rule_tags"))
}

// warnOfLoss says what a table of sessions that was rebuilt without one of the lifecycle columns has lost with it.
func (p *plan) warnOfLoss(c adopt.LifecycleColumn) {
	if p.adopted() {
		p.warn("%s", adopt.Loss(p.m.table.path(), c))
	}
}

// unnoticed are queries for the newest activity in the tables with a gap; in all activity tables when those are not known.
// A session counts as used now where rows do not say when it was used.
func (p *plan) unnoticed() (queries []string) {
	gaps := slices.Compact(slices.Clone(p.gaps)) // the two triggers of a table share one
	if !p.set.backfilled || p.opts.Reread {
		gaps = nil
		for _, src := range p.m.sources {
			gaps = append(gaps, &gap{source: src, table: src.sql()})
		}
	}
	for _, g := range gaps {
		switch {
		case g.table == "" || g.fresh && (g.source.At == "" || !p.m.reads(g.source.relation)):
		case !p.m.reads(g.source.relation):
			queries = append(queries, p.m.statement("backfill_all_used_now"))
		case g.source.At == "":
			queries = append(queries, p.m.statement("backfill_used_now", sqlfile.Names{"session": sqlfile.Column(g.source.Session), "source": g.table}))
		default:
			queries = append(queries, p.newestIn(g.source, g.table, g.fresh))
		}
	}
	return queries
}
