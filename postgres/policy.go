package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Policy returns the policy in force in the database.
func (s *Store) Policy(ctx context.Context) (sessioncleanup.Policy, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return sessioncleanup.Policy{}, err
	}
	p, err := scanPolicy(s.pool.QueryRow(ctx, m.statement("policy_read")))
	if hasCode(err, codeNoPrivilege) { // as of the settings
		p, err = scanPolicy(s.pool.own().QueryRow(ctx, m.statement("policy_read")))
	}
	return p, s.failed("read the policy", err)
}

func scanPolicy(row pgx.Row) (p sessioncleanup.Policy, err error) {
	var inactive, remove, keep, archiveKeep, warn *int64
	var touch, budget int64
	var auto, reactivate, enabled, archive, backup, proceed bool
	err = row.Scan(&inactive, &remove, &auto, &reactivate, &enabled, &touch,
		&p.BatchSize, &budget, &p.Rate, &p.BusyShare, &p.MaxDeleteFraction, &keep, &p.AlertDue, &p.AlertUseRate, &p.AlertActivityRate, &archive, &archiveKeep, &p.ArchiveMaxRows, &p.ArchiveMaxBytes, &backup, &warn, &proceed, &p.Rules)
	if err != nil {
		return p, err
	}
	p.InactiveAfter, p.DeleteAfter, p.EventsKeep = orNever(inactive), orNever(remove), orNever(keep)
	p.TouchInterval, p.BatchBudget = time.Duration(touch)*time.Microsecond, time.Duration(budget)*time.Microsecond
	p.Archive, p.ArchiveKeep, p.Backup = sessioncleanup.SwitchOf(archive), orNever(archiveKeep), sessioncleanup.SwitchOf(backup)
	p.WarnBefore, p.Undeliverable = orNever(warn), sessioncleanup.UndeliverableHold
	if proceed {
		p.Undeliverable = sessioncleanup.UndeliverableProceed
	}
	p.AutoCleanupDefault = sessioncleanup.SwitchOf(auto)
	p.ReactivateOnActivity = sessioncleanup.SwitchOf(reactivate)
	p.Enabled = sessioncleanup.SwitchOf(enabled)
	return p, nil
}

// SetPolicy changes some values of the stored policy. Only the owner of the tables may.
func (s *Store) SetPolicy(ctx context.Context, change sessioncleanup.Policy, condition func(sessioncleanup.Policy) bool, e sessioncleanup.Event) (sessioncleanup.Policy, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return sessioncleanup.Policy{}, err
	}
	columns := map[string]any{}
	for column, d := range map[string]time.Duration{"inactive_after": change.InactiveAfter, "delete_after": change.DeleteAfter, "archive_keep": change.ArchiveKeep} {
		if d != 0 {
			columns[column] = interval(d)
		}
	}
	if change.Rules != "" {
		columns["rules"] = rulesText(change.Rules)
	}
	if change.AlertDue != 0 {
		columns["alert_due"] = change.AlertDue
	}
	if change.AlertUseRate != 0 {
		columns["alert_use_rate"] = change.AlertUseRate
	}
	if change.AlertActivityRate != 0 {
		columns["alert_activity_rate"] = change.AlertActivityRate
	}
	data, err := json.Marshal(columns)
	if err != nil {
		return sessioncleanup.Policy{}, err
	}
	var p sessioncleanup.Policy
	read := func(batch *pgx.Batch) {
		batch.Queue(m.statement("policy_read")).QueryRow(func(row pgx.Row) (err error) {
			p, err = scanPolicy(row)
			return err
		})
	}
	err = s.inTx(ctx, func(batch *pgx.Batch) {
		batch.Queue(m.statement("policy_lock"))
		read(batch)
	}, func(batch *pgx.Batch) error {
		if condition != nil && !condition(p) {
			return sessioncleanup.ErrChanged
		}
		batch.Queue(m.statement("policy_set"), string(data))
		queueEvent(batch, m, e, nil)
		read(batch)
		return nil
	})
	return p, s.failed("change the policy", err)
}

// interval is a duration as PostgreSQL reads it; Never is NULL.
func interval(d time.Duration) any {
	if d == sessioncleanup.Never {
		return nil
	}
	// Before version 15, PostgreSQL reads no field that is larger than an int32.
	us := d.Microseconds()
	return fmt.Sprintf("%d:%02d:%02d.%06d", us/3_600_000_000, us/60_000_000%60, us/1_000_000%60, us%1_000_000)
}

func orNever(microseconds *int64) time.Duration {
	if microseconds == nil {
		return sessioncleanup.Never
	}
	return time.Duration(*microseconds) * time.Microsecond
}

// rulesText are the policy's rules as the database keeps them: empty for none.
func rulesText(rules string) string {
	all, err := sessioncleanup.ParseRules(rules)
	if err != nil || len(all) == 0 { // the policy was validated
		return ""
	}
	return sessioncleanup.FormatRules(all)
}

// policyNames fill in a policy, as JSON whose keys are the columns.
func policyNames(p sessioncleanup.Policy) sqlfile.Names {
	p = p.WithDefaults()
	data, err := json.Marshal(map[string]any{
		"singleton":      true,
		"inactive_after": interval(p.InactiveAfter), "delete_after": interval(p.DeleteAfter),
		"warn_before": interval(p.WarnBefore), "undeliverable_proceed": p.Undeliverable == sessioncleanup.UndeliverableProceed,
		"auto_cleanup_default": p.AutoCleanupDefault.Or(true), "reactivate_on_activity": p.ReactivateOnActivity.Or(false),
		"enabled": p.Enabled.Or(true), "touch_interval": interval(p.TouchInterval),
		"batch_size": p.BatchSize, "batch_budget": interval(p.BatchBudget), "rate": p.Rate, "busy_share": p.BusyShare,
		"max_delete_fraction": p.MaxDeleteFraction, "events_keep": interval(p.EventsKeep),
		"archive": p.Archive.Or(false), "archive_keep": interval(p.ArchiveKeep), "archive_max_rows": p.ArchiveMaxRows, "archive_max_bytes": p.ArchiveMaxBytes, "backup": p.Backup.Or(false),
		"rules": rulesText(p.Rules), "alert_due": p.AlertDue, "alert_use_rate": p.AlertUseRate, "alert_activity_rate": p.AlertActivityRate,
	})
	if err != nil {
		panic(err) // numbers, booleans and plain strings
	}
	return sqlfile.Names{"policy_json": literal(string(data))}
}
