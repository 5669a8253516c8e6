package postgres

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
)

// Profile reads the table three times, on one core.
func (s *Store) Profile(ctx context.Context, t sessioncleanup.Thresholds, tags string) (sessioncleanup.Profile, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return sessioncleanup.Profile{}, err
	}
	var bounds []float64
	for _, bound := range sessioncleanup.AgeBounds() {
		bounds = append(bounds, bound.Seconds())
	}
	p := sessioncleanup.NewProfile()
	selected := append([]string{}, strings.Fields(tags)...)
	args := slices.Clip(readArgs(sessioncleanup.Filter{}, t)[:3]) // each statement appends one of its own
	_, err = s.read(ctx, func(batch *pgx.Batch) {
		batch.Queue(statements["one_core"])
		batch.Queue(m.statement("profile", m.measuring(t)), append(args, bounds, selected)...).Query(func(rows pgx.Rows) error { return readGroups(rows, &p) })
		batch.Queue(m.statement("profile_hours", m.measuring(t)), append(args, sessioncleanup.ActivityDays, selected)...).Query(func(rows pgx.Rows) error {
			found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sessioncleanup.HourCount])
			for i := range found {
				found[i].Hour = found[i].Hour.UTC()
			}
			p.Hours = append(p.Hours, found...)
			return err
		})
		batch.Queue(m.statement("profile_owners"), sessioncleanup.TopOwners, selected).Query(func(rows pgx.Rows) error {
			found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sessioncleanup.OwnerCount])
			p.Owners = append(p.Owners, found...)
			return err
		})
	})
	return p, s.failed("profile sessions", err)
}

// CountOwners reads the table once, on one core.
func (s *Store) CountOwners(ctx context.Context, t sessioncleanup.Thresholds, limit int) (sessioncleanup.OwnerCounts, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return sessioncleanup.OwnerCounts{}, err
	}
	out := sessioncleanup.OwnerCounts{Owners: []sessioncleanup.OwnerFigures{}}
	_, err = s.read(ctx, func(batch *pgx.Batch) {
		batch.Queue(statements["one_core"])
		batch.Queue(m.statement("owners", m.measuring(t)), append(readArgs(sessioncleanup.Filter{}, t), limit)...).Query(func(rows pgx.Rows) error {
			var o sessioncleanup.OwnerFigures
			_, err := pgx.ForEachRow(rows, []any{
				&o.OwnerID, &o.OwnerName, &o.Total, &o.Active, &o.Inactive, &o.Protected, &o.DueForDeactivation, &o.DueForDeletion, &o.LastActivity, &out.Count,
			}, func() error {
				o.LastActivity = o.LastActivity.UTC()
				out.Owners = append(out.Owners, o)
				return nil
			})
			return err
		})
	})
	return out, s.failed("count the sessions of owners", err)
}

// readGroups adds groups of sessions that are alike.
func readGroups(rows pgx.Rows, p *sessioncleanup.Profile) error {
	var active bool
	var group, n int
	var deactivate, remove *float64 // days from now
	_, err := pgx.ForEachRow(rows, []any{&active, &group, &deactivate, &remove, &n}, func() error {
		if active {
			p.Active[group] += n
		} else {
			p.Inactive[group] += n
		}
		for _, f := range []struct {
			day  *float64
			days []int
		}{{deactivate, p.Deactivate}, {remove, p.Delete}} {
			if f.day != nil && *f.day < float64(len(f.days)) {
				f.days[int(*f.day)] += n
			}
		}
		return nil
	})
	return err
}
