package storetest

import (
	"context"
	"slices"
	"testing"
)

// Run tests a backend. Every check of the suite is a subtest "group/sentence" with its own harness, in parallel with
// the others of its group. Groups, when given, limit it to these groups. It returns when all are done.
func Run(t *testing.T, open Opener, groups ...string) {
	t.Helper()
	all := slices.DeleteFunc(checks(), func(c check) bool { return len(groups) > 0 && !slices.Contains(groups, c.group) })
	for len(all) > 0 {
		group := all[0].group
		end := slices.IndexFunc(all, func(c check) bool { return c.group != group })
		if end < 0 {
			end = len(all)
		}
		members := all[:end]
		all = all[end:]
		t.Run(group, func(t *testing.T) {
			for _, c := range members {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.run(t, open(t))
				})
			}
		})
	}
}

// TableGroups returns the groups that depend on the application's tables: their columns and types, owners and activity
// tables. Use them to test further kinds of tables of a backend that already passed Run on one kind. They leave out the
// log, leases, backups, concurrent calls and cancellation, which only concern the backend's own tables and connections.
func TableGroups() []string {
	return []string{"due", "list", "counts", "sweep", "update", "delete", "touch", "application", "tags", "rules", "archive"}
}

// checks is the whole suite, group by group.
func checks() []check {
	return slices.Concat(
		dueChecks(), listChecks(), pageChecks(), countsChecks(), sweepChecks(), graceChecks(), pinnedChecks(), updateChecks(),
		conditionChecks(), deleteChecks(), touchChecks(), reactivateChecks(), activityChecks(), applicationChecks(), eventChecks(),
		recordChecks(), sealChecks(), followChecks(), outboxChecks(), valueChecks(), tagChecks(), ruleChecks(), archiveChecks(), backupChecks(), leaseChecks(), contextChecks(), outageChecks(), lockChecks(), concurrencyChecks(), workloadChecks(),
	)
}

// check is one statement about stores, and its proof.
type check struct {
	group string // the capability
	name  string // what the store does, as a sentence
	prove func(f *fixture)
}

// run proves the check on a fresh harness.
func (c check) run(t tester, h Harness) {
	t.Helper()
	if wrong := h.wrong(); wrong != "" {
		t.Fatalf("%s", wrong)
	}
	c.prove(newFixture(t, h.withDefaults()))
}

// tester is the part of *testing.T that checks use. The suite's own tests replace it with a recorder, so that they can
// watch a check fail without failing themselves.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
	Logf(format string, args ...any)
	Context() context.Context
}
