package sqlite

import (
	"context"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// This file is about activity that no trigger noticed: tools that rebuild a table drop its triggers. The Migrate that makes them
// again notes that in the same transaction, and the backfill fills in what the rows show. Runs fail until that is done.

// planCatchUp notes what the backfill has to read again: the activity tables of which an earlier Migrate made triggers that are gone.
// Of a table that is new, only the times in its rows count, as at an adoption.
func (p *plan) planCatchUp(earlier settings, reread bool) {
	a := &p.want.adopted
	wanted := slices.Concat(p.want.schema.Sources, a.Others)
	gone := p.catalog.gone(earlier)
	var gaps []sessioncleanup.Source
	for _, source := range wanted {
		switch before, known := p.catalog.before(earlier, source); {
		case !known:
			a.Filled = false
		case reread || slices.Contains(gone, before.Table) || slices.Contains(earlier.adopted.Gaps, before):
			gaps = append(gaps, source)
		}
	}
	a.Gaps, a.CatchUp = gaps, a.CatchUp || reread || len(gone) > 0 || !a.Filled && !a.MarkInactive
}

// noteLoss warns of the lifecycle columns that a table of sessions has lost, because a tool rebuilt it without them.
func (p *plan) noteLoss() {
	for _, column := range p.missing {
		p.warnings = append(slices.Clip(p.warnings), adopt.Loss(p.want.schema.Table, column))
		p.want.adopted.LostActivity = p.want.adopted.LostActivity || column.Field == "last_activity"
	}
}

// before is an activity table as an earlier Migrate knew it, unless it is new: it may have been renamed since.
func (c *catalog) before(earlier settings, source sessioncleanup.Source) (sessioncleanup.Source, bool) {
	followed := slices.Concat(c.follow(earlier.schema).Sources, earlier.adopted.Others)
	i := slices.IndexFunc(followed, func(s sessioncleanup.Source) bool {
		return strings.EqualFold(s.Table, source.Table) && strings.EqualFold(s.Session, source.Session)
	})
	if i < 0 {
		return source, false
	}
	return slices.Concat(earlier.schema.Sources, earlier.adopted.Others)[i], true
}

// gone are the tables, as an earlier Migrate knew them, that have lost a trigger.
func (c *catalog) gone(earlier settings) (tables []string) {
	l := newLayout(earlier.schema, earlier.adopted, false)
	for _, o := range l.triggers() {
		if c.object(o.name) == nil {
			tables = append(tables, o.table)
		}
	}
	return tables
}

// unfilled is an error while the backfill is not finished.
func (c *conn) unfilled(ctx context.Context) error {
	var unfilled bool
	if err := c.row(ctx, statements["unfilled"], nil, &unfilled); err != nil || !unfilled {
		return err
	}
	return sqlstore.ErrUnfilled
}
