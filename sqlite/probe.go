package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
)

// errProbed rolls a probe back.
var errProbed = errors.New("probed")

// Probe tries out whether a row of each activity table is noticed.
func (s *Store) Probe(ctx context.Context) (found sessioncleanup.Probe, err error) {
	err = s.writing(ctx, func(c *conn) error {
		set, err := readSettings(ctx, c)
		if err != nil {
			return err
		}
		for _, source := range slices.Concat(set.schema.Sources, set.adopted.Others) {
			noticed, err := c.probe(ctx, source)
			switch {
			case err != nil:
				found.Untried = append(found.Untried, source.Table+": "+err.Error())
			case !noticed:
				found.Unnoticed = append(found.Unnoticed, source.Table)
			}
		}
		return errProbed
	})
	if errors.Is(err, errProbed) {
		err = nil
	}
	return found, err
}

// probe reports whether the use of a row of an activity table leaves a note; also when there is no row.
func (c *conn) probe(ctx context.Context, source sessioncleanup.Source) (noticed bool, err error) {
	err = c.savepoint(ctx, func() error {
		var row int64
		err := c.row(ctx, on("probe_row", source.Table, source.Session), nil, &row)
		if errors.Is(err, sql.ErrNoRows) {
			noticed = true
			return nil
		}
		for _, statement := range []string{"probe_forget", "probe_use"} {
			if err == nil {
				_, err = c.exec(ctx, on(statement, source.Table, source.Session), params{"row": row})
			}
		}
		if err == nil {
			err = c.row(ctx, on("probe_noted", source.Table, source.Session), params{"row": row}, &noticed)
		}
		if err == nil {
			err = errUndo
		}
		return err
	})
	return noticed, err
}
