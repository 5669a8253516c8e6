package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"iter"

	"github.com/sessioncleanup/sessioncleanup"
)

// Value is the one stored last under a name.
func (s *Store) Value(ctx context.Context, name string) (data []byte, version int64, err error) {
	err = s.reading(ctx, func(c *conn) error {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		err := c.row(ctx, statements["read_value"], params{"name": name}, &data, &version)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return data, version, err
}

// SetValue stores a value after the given version.
func (s *Store) SetValue(ctx context.Context, name string, data []byte, version int64) (stored bool, err error) {
	err = s.writing(ctx, func(c *conn) error {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		var now int64
		err := c.row(ctx, statements["version_of_value"], params{"name": name}, &now)
		if stored = err == nil && now == version; !stored {
			return err
		}
		_, err = c.exec(ctx, statements["write_value"], params{"name": name, "data": string(data), "version": version + 1})
		return err
	})
	return stored && err == nil, err
}

// Profile looks at every session.
func (s *Store) Profile(ctx context.Context, t sessioncleanup.Thresholds) (profile sessioncleanup.Profile, err error) {
	err = s.overAll(ctx, t, func(all iter.Seq[sessioncleanup.Session], cut sessioncleanup.Cutoffs) {
		profile = sessioncleanup.ProfileOf(all, cut)
	})
	return profile, err
}

// CountOwners looks at every session.
func (s *Store) CountOwners(ctx context.Context, t sessioncleanup.Thresholds, limit int) (owners sessioncleanup.OwnerCounts, err error) {
	err = s.overAll(ctx, t, func(all iter.Seq[sessioncleanup.Session], cut sessioncleanup.Cutoffs) {
		owners = sessioncleanup.OwnersOf(all, cut, limit)
	})
	return owners, err
}

// overAll has look see every session, once.
func (s *Store) overAll(ctx context.Context, t sessioncleanup.Thresholds, look func(iter.Seq[sessioncleanup.Session], sessioncleanup.Cutoffs)) error {
	return s.readingSessions(ctx, func(c *conn) error {
		cut := c.cutoffsAt(t)
		var failed error
		look(func(yield func(sessioncleanup.Session) bool) {
			failed = c.eachOf(ctx, sessioncleanup.Query{Sort: sessioncleanup.SortLastActivity, Limit: -2}, cut, s.clock(), yield)
		}, cut)
		return failed
	})
}
