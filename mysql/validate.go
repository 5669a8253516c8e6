package mysql

import (
	"context"
	"errors"
	"fmt"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// Validate reports everything that is missing or wrong in one error: as ErrNotInstalled what Migrate can repair, and as
// ErrInvalid what is wrong with the application's tables, such as foreign keys that prevent the deletion of a session.
func (s *Store) Validate(ctx context.Context) error {
	var problems []error
	var schema sessioncleanup.Schema
	err := s.reading(ctx, func(c *conn) error {
		set, err := readSettings(ctx, c)
		if err != nil {
			return err
		}
		if err := s.fits(set); err != nil {
			problems = append(problems, err)
		}
		if set.adopted.CatchUp {
			problems = append(problems, sqlstore.ErrUnfilled)
		}
		schema = set.schema
		catalog, err := readCatalog(ctx, c)
		if err != nil {
			return err
		}
		missing, err := catalog.check(set.schema)
		if err != nil {
			return fmt.Errorf("%w: %w", sessioncleanup.ErrNotInstalled, err)
		}
		l := newLayout(set)
		gone, hidden, err := c.missingTriggers(ctx, l, func(name string) bool { _, there := catalog.triggers[name]; return there })
		if err != nil {
			return err
		}
		lacks := catalog.lacking(l, gone)
		if set.adopted.Proposed {
			for _, source := range catalog.describe().Unfollowed(set.schema) {
				lacks = append(lacks, adopt.NotFollowed(source.Table))
			}
		}
		for _, what := range lacks {
			problems = append(problems, fmt.Errorf("%w: %s; run migrate", sessioncleanup.ErrNotInstalled, what))
		}
		for _, table := range hidden {
			problems = append(problems, errHidden(c.naming.sql(table)))
		}
		problems = append(append(problems, adopt.Lacking(set.schema.Table, missing)), catalog.blockers(set.schema)...)
		return nil
	})
	if err == nil {
		err = s.failed(ctx, errors.Join(problems...))
	}
	if err != nil {
		return err
	}
	counts, err := s.Counts(ctx, sessioncleanup.CountsQuery{})
	if err != nil {
		return err
	}
	if warning := adopt.NeverDue(counts.NeverDue, counts.Cutoffs.Untracked, schema.LastActivity); warning != "" {
		s.log.WarnContext(ctx, warning)
	}
	return nil
}

// blockers are foreign keys that keep a session with rows in their table from being deleted.
func (c *catalog) blockers(s sessioncleanup.Schema) []error {
	var problems []error
	if s.SoftDelete {
		return nil
	}
	for _, child := range c.children(s.Table) {
		for _, k := range child.keys {
			if k.table == s.Table && k.onDelete != "CASCADE" && k.onDelete != "SET NULL" {
				problems = append(problems, adopt.Blocks(child.name, k.columns, s.Table))
			}
		}
	}
	return problems
}
