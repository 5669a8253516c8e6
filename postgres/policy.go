package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Policy reads the policy in force in the database.
func (s *Store) Policy(ctx context.Context) (sessioncleanup.Policy, error) {
	l, err := s.ready(ctx)
	if err != nil {
		return sessioncleanup.Policy{}, err
	}
	var p sessioncleanup.Policy
	var inactive, remove, keep *int64
	var touch, budget int64
	var auto, reactivate, enabled bool
	err = s.pool.QueryRow(ctx, l.statement("policy_read")).Scan(&inactive, &remove, &auto, &reactivate, &enabled, &touch,
		&p.BatchSize, &budget, &p.Rate, &p.BusyShare, &p.MaxDeleteFraction, &keep, &p.AlertDue, &p.AlertActivityRate)
	if err != nil {
		return p, s.failed("read the policy", err)
	}
	p.InactiveAfter, p.DeleteAfter, p.EventsKeep = orNever(inactive), orNever(remove), orNever(keep)
	p.TouchInterval, p.BatchBudget = time.Duration(touch)*time.Microsecond, time.Duration(budget)*time.Microsecond
	p.AutoCleanupDefault = sessioncleanup.SwitchOf(auto)
	p.ReactivateOnActivity = sessioncleanup.SwitchOf(reactivate)
	p.Enabled = sessioncleanup.SwitchOf(enabled)
	return p, nil
}

func orNever(microseconds *int64) time.Duration {
	if microseconds == nil {
		return sessioncleanup.Never
	}
	return time.Duration(*microseconds) * time.Microsecond
}

// policyArgs are the parameters of policy_write.
func policyArgs(p sessioncleanup.Policy) []any {
	p = p.WithDefaults()
	never := func(d time.Duration) any {
		if d == sessioncleanup.Never {
			return nil
		}
		return d.Microseconds()
	}
	return []any{
		never(p.InactiveAfter), never(p.DeleteAfter), p.AutoCleanupDefault.Or(true), p.ReactivateOnActivity.Or(false), p.Enabled.Or(true),
		p.TouchInterval.Microseconds(), p.BatchSize, p.BatchBudget.Microseconds(), p.Rate, p.BusyShare, p.MaxDeleteFraction, never(p.EventsKeep),
		p.AlertDue, p.AlertActivityRate,
	}
}

// policySQL stores a policy. The parameters, all numbers and booleans, are written into the statement.
func policySQL(l *layout, p sessioncleanup.Policy) string {
	sql := l.statement("policy_write")
	args := policyArgs(p)
	for i := len(args); i > 0; i-- { // $14 before $1
		value := "NULL"
		if args[i-1] != nil {
			value = fmt.Sprint(args[i-1])
		}
		sql = strings.ReplaceAll(sql, fmt.Sprintf("$%d::", i), value+"::")
	}
	return sql
}
