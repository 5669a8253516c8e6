package mysql

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

var _ sessioncleanup.Prober = (*Store)(nil)

// errProbed rolls a probe back.
var errProbed = errors.New("probed")

// Probe tries out whether a row of each activity table is noticed, and whether the user has the privileges that runs
// need.
func (s *Store) Probe(ctx context.Context) (found sessioncleanup.Probe, err error) {
	var set settings
	err = s.reading(ctx, func(c *conn) error {
		if set, err = readSettings(ctx, c); err != nil {
			return err
		}
		catalog, err := readCatalog(ctx, c)
		if err != nil {
			return err
		}
		if found.Denied, err = c.denied(ctx, catalog, set.schema); err != nil || !set.policy.Archive.Or(false) {
			return err
		}
		_, err = c.ExecContext(ctx, statements["try_temporary"])
		if slices.Contains(forbidden, errorNumber(err)) {
			found.Denied = append(found.Denied, "CREATE TEMPORARY TABLES")
			return nil
		}
		if err == nil {
			_, err = c.ExecContext(ctx, statements["end_temporary"])
		}
		return err
	})
	if err != nil {
		return sessioncleanup.Probe{}, err
	}
	for _, source := range set.schema.Sources {
		noticed := true
		err := s.writing(ctx, func(c *conn) (err error) {
			// Triggers do nothing for a connection of the library, so it is none for the time, and is closed if it may have stayed so.
			defer func() {
				if _, failed := c.ExecContext(context.WithoutCancel(ctx), statements["probe_as_library"]); failed != nil {
					c.discard()
				}
			}()
			if _, err := c.ExecContext(ctx, statements["probe_as_application"]); err != nil {
				return err
			}
			if noticed, err = c.probe(ctx, set.adopted.ID, source); err == nil {
				err = errProbed
			}
			return err
		})
		switch {
		case ctx.Err() != nil:
			return sessioncleanup.Probe{}, err
		case !errors.Is(err, errProbed):
			found.Untried = append(found.Untried, source.Table+": "+err.Error())
		case !noticed:
			found.Unnoticed = append(found.Unnoticed, source.Table)
		}
	}
	return found, nil
}

// probe reports whether the use of a row of an activity table leaves a note; also when there is no row.
func (c *conn) probe(ctx context.Context, id identity, source sessioncleanup.Source) (noticed bool, err error) {
	names := sqlfile.Names{"table": sqlfile.Column(source.Table), "column": sqlfile.Column(source.Session)}
	var value any
	err = c.row(ctx, filled("probe_row", names), nil, &value)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	var before, after int
	p := params{"session": id.scanned(value)}
	for _, step := range []func() error{
		func() error { return c.row(ctx, statements["probe_notes"], p, &before) },
		func() error { _, err := c.exec(ctx, filled("probe_use", names), p); return err },
		func() error { return c.row(ctx, statements["probe_notes"], p, &after) },
	} {
		if err == nil {
			err = step()
		}
	}
	return after > before, err
}

// denied tries what runs do, on no row. Triggers are not run by that.
func (c *conn) denied(ctx context.Context, catalog *catalog, s sessioncleanup.Schema) (rights []string, err error) {
	tries := map[string]string{"SELECT": "try_select", "INSERT": "try_insert", "UPDATE": "try_update", "DELETE": "try_delete"}
	for _, t := range catalog.sorted() {
		needed := []string{"SELECT", "INSERT", "UPDATE", "DELETE"}
		switch {
		case t.name == s.Table:
			needed = []string{"SELECT", "UPDATE", "DELETE"}
		case slices.ContainsFunc(s.Sources, func(source sessioncleanup.Source) bool { return source.Table == t.name }), s.Owners != nil && s.Owners.Table == t.name:
			needed = needed[:1]
		case !adopt.Own(t.name) || t.name == versionTable || t.kind == "VIEW":
			continue
		}
		for _, right := range needed {
			_, err := c.exec(ctx, filled(tries[right], sqlfile.Names{"table": sqlfile.Column(t.name), "column": sqlfile.Column(t.columns[len(t.columns)-1].name)}), nil)
			if slices.Contains(forbidden, errorNumber(err)) {
				rights = append(rights, right+" on "+t.name)
			} else if err != nil {
				return nil, err
			}
		}
	}
	return rights, nil
}
