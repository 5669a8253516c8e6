package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// settings is the row that Migrate stores.
type settings struct {
	policy  sessioncleanup.Policy
	schema  sessioncleanup.Schema
	adopted adopted
}

// readSettings reads what Migrate stored. ErrNotInstalled when there is nothing, ErrNewerSchema when a newer version
// of the library stored it.
func readSettings(ctx context.Context, w *work) (settings, error) {
	var set settings
	version, err := readVersion(ctx, w)
	if err != nil {
		return set, err
	}
	if version == 0 {
		return set, fmt.Errorf("%w: call Migrate", sessioncleanup.ErrNotInstalled)
	}
	var enabled, auto, reactivate bool
	var inactive, remove, rate, keep sql.NullFloat64
	var touch, budget float64
	var schema, adopted string
	p := &set.policy
	err = w.row(ctx, text["read_settings"], nil, &enabled, &inactive, &remove, &touch, &auto, &reactivate,
		&p.BatchSize, &budget, &rate, &p.BusyShare, &p.MaxDeleteFraction, &keep, &p.AlertDue, &p.AlertActivityRate, &schema, &adopted)
	if errors.Is(err, sql.ErrNoRows) {
		return set, fmt.Errorf("%w: call Migrate", sessioncleanup.ErrNotInstalled)
	}
	if err != nil {
		return set, err
	}
	p.Enabled, p.AutoCleanupDefault = sessioncleanup.SwitchOf(enabled), sessioncleanup.SwitchOf(auto)
	p.ReactivateOnActivity = sessioncleanup.SwitchOf(reactivate)
	p.InactiveAfter, p.DeleteAfter, p.EventsKeep = threshold(inactive), threshold(remove), threshold(keep)
	p.TouchInterval, p.BatchBudget, p.Rate = duration(touch), duration(budget), rate.Float64
	if err := json.Unmarshal([]byte(schema), &set.schema); err != nil {
		return set, fmt.Errorf("read the schema stored in sessioncleanup_settings: %w", err)
	}
	if err := json.Unmarshal([]byte(adopted), &set.adopted); err != nil {
		return set, fmt.Errorf("read what was adopted, stored in sessioncleanup_settings: %w", err)
	}
	if err := errors.Join(p.Validate(), validSchema(set.schema)); err != nil {
		return set, fmt.Errorf("read sessioncleanup_settings: %w", err)
	}
	return set, nil
}

// readVersion gives the version of the library's tables, 0 when there are none.
func readVersion(ctx context.Context, w *work) (int64, error) {
	var exists bool
	var version int64
	if err := w.row(ctx, text["has_table"], values{"table": versionTable}, &exists); err != nil || !exists {
		return 0, err
	}
	if err := w.row(ctx, text["read_version"], nil, &version); err != nil {
		return 0, err
	}
	if version > latestVersion {
		return 0, fmt.Errorf("%w: it is at version %d, this is version %d", sessioncleanup.ErrNewerSchema, version, latestVersion)
	}
	return version, nil
}

// store writes the settings.
func (set settings) store(ctx context.Context, w *work) error {
	schema, err := json.Marshal(set.schema)
	if err != nil {
		return err
	}
	adopted, err := json.Marshal(set.adopted)
	if err != nil {
		return err
	}
	p := set.policy
	_, err = w.exec(ctx, text["write_settings"], values{
		"enabled":                p.Enabled.Or(true),
		"inactive_after":         seconds(p.InactiveAfter),
		"delete_after":           seconds(p.DeleteAfter),
		"touch_interval":         seconds(p.TouchInterval),
		"auto_cleanup_default":   p.AutoCleanupDefault.Or(true),
		"reactivate_on_activity": p.ReactivateOnActivity.Or(false),
		"batch_size":             p.BatchSize,
		"batch_budget":           seconds(p.BatchBudget),
		"rate":                   sql.NullFloat64{Float64: p.Rate, Valid: p.Rate > 0},
		"busy_share":             p.BusyShare,
		"max_delete_fraction":    p.MaxDeleteFraction,
		"events_keep":            seconds(p.EventsKeep),
		"alert_due":              p.AlertDue,
		"alert_activity_rate":    p.AlertActivityRate,
		"schema":                 string(schema),
		"adopted":                string(adopted),
	})
	return err
}

// seconds is a duration as SQL reads it; Never is NULL.
func seconds(d time.Duration) any {
	if d == sessioncleanup.Never {
		return nil
	}
	return d.Seconds()
}

func duration(seconds float64) time.Duration {
	return time.Duration(math.Round(seconds * float64(time.Second)))
}

func threshold(seconds sql.NullFloat64) time.Duration {
	if !seconds.Valid {
		return sessioncleanup.Never
	}
	return duration(seconds.Float64)
}

// same reports whether two settings, or parts of them, are equal.
func same[T any](a, b T) bool { return reflect.DeepEqual(a, b) }

// validSchema is Schema.Validate, and what SQLite wants beyond that.
func validSchema(s sessioncleanup.Schema) error {
	if err := s.Validate(); err != nil {
		return err
	}
	tables := map[string]string{"schema.table": s.Table}
	if s.Owners != nil {
		tables["schema.owners.table"] = s.Owners.Table
	}
	for i, source := range s.Sources {
		tables[fmt.Sprintf("schema.sources[%d].table", i)] = source.Table
	}
	for field, name := range tables {
		if sqlfile.Table(name) != sqlfile.Column(name) {
			return invalidf("%s is %q: SQLite's tables have no schema before their name", field, name)
		}
		if own(name) {
			return invalidf("%s is %q: that name is the library's own", field, name)
		}
	}
	return nil
}

// Policy is the policy that the last Migrate stored. ErrNotInstalled when there is none.
func (s *Store) Policy(ctx context.Context) (sessioncleanup.Policy, error) {
	set, err := s.settings(ctx)
	return set.policy, err
}

// Schema is the schema that the last Migrate adopted. ErrNotInstalled when there is none.
func (s *Store) Schema(ctx context.Context) (sessioncleanup.Schema, error) {
	set, err := s.settings(ctx)
	return set.schema, err
}

func (s *Store) settings(ctx context.Context) (settings, error) {
	var set settings
	err := s.reading(ctx, func(w *work) error {
		var err error
		set, err = readSettings(ctx, w)
		return err
	})
	return set, err
}
