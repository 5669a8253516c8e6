package mysql

import (
	"context"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
)

// This file is about activity that no trigger noticed: a table that is rebuilt has lost its triggers. The Migrate that makes them
// again stores that first, and the backfill fills in what the rows show. Runs fail until that is done.

// planCatchUp notes what the backfill has to read again: the activity tables of which an earlier Migrate made triggers that are gone.
// Of a table that is new, only the times in its rows count, as at an adoption.
func (p *plan) planCatchUp(reread bool) {
	if !p.have.adopted.Filled {
		return
	}
	var gone []string // tables
	for _, o := range newLayout(p.have).triggers() {
		if _, there := p.catalog.triggers[o.name]; !there {
			gone = append(gone, o.table)
		}
	}
	a := &p.want.adopted
	var gaps []sessioncleanup.Source
	for _, source := range p.want.schema.Sources {
		followed := slices.ContainsFunc(p.have.schema.Sources, func(s sessioncleanup.Source) bool { return s.Table == source.Table && s.Session == source.Session })
		if followed && (reread || slices.Contains(gone, source.Table) || slices.Contains(a.Gaps, source)) {
			gaps = append(gaps, source)
		}
	}
	a.Gaps, a.CatchUp = gaps, a.CatchUp || reread || len(gone) > 0 || !a.Filled
	for _, column := range p.missing { // a tool rebuilt the table without them
		p.warnings = append(slices.Clip(p.warnings), adopt.Loss(p.want.schema.Table, column))
		a.LostActivity = a.LostActivity || column.Field == "last_activity"
	}
}

// noteCatchUp stores that in settings that were noted before, so that runs fail from then on. With another schema than before, runs go
// on until triggers are made for it.
func (m *migration) noteCatchUp(ctx context.Context, noted settings, p plan) error {
	a := &noted.adopted
	if a.CatchUp == p.want.adopted.CatchUp && same(a.Gaps, p.want.adopted.Gaps) {
		return nil
	}
	a.CatchUp, a.Gaps = p.want.adopted.CatchUp, p.want.adopted.Gaps
	return m.storing(ctx, noted, nil)
}
