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
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// settings is the row that Migrate stores.
type settings struct {
	policy  sessioncleanup.Policy
	schema  sessioncleanup.Schema
	adopted adopted
}

// readSettings reads what Migrate stored. ErrNotInstalled when there is nothing, ErrNewerSchema when a newer version
// of the library stored it.
func readSettings(ctx context.Context, c *conn) (settings, error) {
	var set settings
	if err := mustBeInstalled(ctx, c); err != nil {
		return set, err
	}
	var enabled, auto, reactivate, archive, backup, proceed bool
	var inactive, remove, rate, keep, archiveKeep, warn sql.NullFloat64
	var touch, budget float64
	var schema, adopted, rules string
	p := &set.policy
	err := c.row(ctx, statements["read_settings"], nil, &enabled, &inactive, &remove, &touch, &auto, &reactivate,
		&p.BatchSize, &budget, &rate, &p.BusyShare, &p.MaxDeleteFraction, &keep, &p.AlertDue, &p.AlertUseRate, &p.AlertActivityRate,
		&archive, &archiveKeep, &p.ArchiveMaxRows, &p.ArchiveMaxBytes, &backup, &warn, &proceed, &rules, &schema, &adopted)
	if errors.Is(err, sql.ErrNoRows) {
		return set, errNotInstalled
	}
	if err != nil {
		return set, err
	}
	p.Enabled, p.AutoCleanupDefault = sessioncleanup.SwitchOf(enabled), sessioncleanup.SwitchOf(auto)
	p.ReactivateOnActivity = sessioncleanup.SwitchOf(reactivate)
	p.Archive, p.ArchiveKeep = sessioncleanup.SwitchOf(archive), threshold(archiveKeep)
	p.Backup = sessioncleanup.SwitchOf(backup)
	p.Rules = rules
	p.WarnBefore, p.Undeliverable = threshold(warn), sessioncleanup.UndeliverableHold
	if proceed {
		p.Undeliverable = sessioncleanup.UndeliverableProceed
	}
	p.InactiveAfter, p.DeleteAfter, p.EventsKeep = threshold(inactive), threshold(remove), threshold(keep)
	p.TouchInterval, p.BatchBudget, p.Rate = duration(touch), duration(budget), rate.Float64
	if err := json.Unmarshal([]byte(schema), &set.schema); err != nil {
		return set, fmt.Errorf("read the schema stored in %s: %w", c.naming.sql("sessioncleanup_settings"), err)
	}
	if err := json.Unmarshal([]byte(adopted), &set.adopted); err != nil {
		return set, fmt.Errorf("read what was adopted, stored in %s: %w", c.naming.sql("sessioncleanup_settings"), err)
	}
	if err := errors.Join(p.Validate(), validSchema(set.schema)); err != nil {
		return set, fmt.Errorf("read %s: %w", c.naming.sql("sessioncleanup_settings"), err)
	}
	return set, nil
}

var errNotInstalled = fmt.Errorf("%w; run migrate", sessioncleanup.ErrNotInstalled)

// mustBeInstalled checks that the library's own tables are there, and of this version.
func mustBeInstalled(ctx context.Context, c *conn) error {
	version, err := readVersion(ctx, c)
	switch {
	case err != nil:
		return err
	case version == 0:
		return errNotInstalled
	case version < latestVersion:
		return fmt.Errorf("%w: an earlier version of the library created its tables; run migrate", sessioncleanup.ErrNotInstalled)
	default:
		return nil
	}
}

// readVersion returns the version of the library's tables, 0 when there are none.
func readVersion(ctx context.Context, c *conn) (int64, error) {
	var exists bool
	var version int64
	if err := c.row(ctx, statements["has_table"], params{"table": c.naming.sql(versionTable)}, &exists); err != nil || !exists {
		return 0, err
	}
	if err := c.row(ctx, statements["read_version"], nil, &version); err != nil {
		return 0, err
	}
	if version > latestVersion {
		return 0, fmt.Errorf("%w: it is at version %d, this is version %d", sessioncleanup.ErrNewerSchema, version, latestVersion)
	}
	return version, nil
}

// store writes the settings.
func (set settings) store(ctx context.Context, c *conn) error {
	p := set.policy
	_, err := c.exec(ctx, statements["write_settings"], params{
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
		"alert_use_rate":         p.AlertUseRate,
		"alert_activity_rate":    p.AlertActivityRate,
		"archive":                p.Archive.Or(false),
		"archive_keep":           seconds(p.ArchiveKeep),
		"archive_max_rows":       p.ArchiveMaxRows,
		"archive_max_bytes":      p.ArchiveMaxBytes,
		"backup":                 p.Backup.Or(false),
		"warn_before":            seconds(p.WarnBefore),
		"proceed":                p.Undeliverable == sessioncleanup.UndeliverableProceed,
		"rules":                  p.Rules,
		"schema":                 sqlstore.JSON(set.schema),
		"adopted":                sqlstore.JSON(set.adopted),
	})
	if err != nil {
		return err
	}
	return c.storeRules(ctx, p)
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

// Policy returns the policy that the last Migrate stored. It fails with ErrNotInstalled when there is none.
func (s *Store) Policy(ctx context.Context) (sessioncleanup.Policy, error) {
	set, err := s.settings(ctx)
	return set.policy, err
}

// SetPolicy changes some values of the stored policy.
func (s *Store) SetPolicy(ctx context.Context, change sessioncleanup.Policy, condition func(sessioncleanup.Policy) bool, e sessioncleanup.Event) (sessioncleanup.Policy, error) {
	set, err := s.settings(ctx)
	if err != nil {
		return sessioncleanup.Policy{}, err
	}
	if condition != nil && !condition(set.policy) {
		return sessioncleanup.Policy{}, sessioncleanup.ErrChanged
	}
	if tags := change.RuleTags(); len(tags) > 0 && !set.adopted.Classed { // the first ones
		if err := s.install(ctx, nil); err != nil {
			return sessioncleanup.Policy{}, err
		}
	}
	err = s.writing(ctx, func(c *conn) (err error) {
		if set, err = readSettings(ctx, c); err != nil {
			return err
		}
		if condition != nil && !condition(set.policy) {
			return sessioncleanup.ErrChanged
		}
		set.policy = change.Or(set.policy)
		if change.Rules != "" && set.adopted.Classed {
			if err := c.setRuleTags(ctx, set.policy.RuleTags(), true); err != nil {
				return err
			}
		}
		if err := set.store(ctx, c); err != nil {
			return err
		}
		return c.insertEvent(ctx, &e)
	})
	if err != nil {
		return sessioncleanup.Policy{}, err
	}
	if change.Rules != "" { // the policy is stored: the next run does the rest, or says what keeps it from that
		_ = s.reclass(ctx, classAtOnce)
	}
	return set.policy, nil
}

// Schema returns the schema that the last Migrate adopted. It fails with ErrNotInstalled when there is none.
func (s *Store) Schema(ctx context.Context) (sessioncleanup.Schema, error) {
	set, err := s.settings(ctx)
	return set.schema, err
}

func (s *Store) settings(ctx context.Context) (settings, error) {
	return sqlstore.Answer(ctx, s.reading, func(c *conn) (settings, error) { return readSettings(ctx, c) })
}
