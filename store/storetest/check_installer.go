package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

func installerChecks() []installerCheck {
	return []installerCheck{
		{"finds nothing installed before Migrate, and changes nothing to see that", installerAbsent},
		{"adopts what is there, keeps every session, and is ready in every process", installerAdopts},
		{"migrates again without a change, and takes the new policy", installerRepeats},
		{"changes single values of the stored policy, with their event, if it can", installerSetsPolicy},
		{"migrates in several processes at once", installerAtOnce},
		{"completes a migration that was interrupted, or removes it", installerInterrupted},
		{"uninstalls to the schema as it was, again and again", installerUninstalls},
		{"counts activity that went unnoticed before runs go on", installerCatchesUp},
		{"keeps a table that it created as long as there are sessions in it", installerKeepsTable},
	}
}

// setting is a policy that is not the default one.
var setting = sessioncleanup.Policy{InactiveAfter: 12 * time.Hour, DeleteAfter: 400 * day}

// firstLine names the first line in which two texts differ, or is empty.
func firstLine(want, got string) string {
	return inOrder(strings.Split(want, "\n"), strings.Split(got, "\n"))
}

// expectAbsent requires that nothing is installed.
func (i *installation) expectAbsent(when string) {
	i.Helper()
	_, policy := i.installer.Policy(i.ctx)
	_, schema := i.installer.Schema(i.ctx)
	_, counts := i.Store.Counts(i.ctx, sessioncleanup.CountsQuery{})
	for what, err := range map[string]error{"Policy": policy, "Schema": schema, "Counts": counts} {
		if !errors.Is(err, sessioncleanup.ErrNotInstalled) {
			i.Errorf("%s %s: error %v, want ErrNotInstalled", what, when, err)
		}
	}
	if i.installer.Validate(i.ctx) == nil {
		i.Errorf("Validate %s finds nothing missing", when)
	}
	i.expectSchema(when, i.before)
}

func (i *installation) migrate(what string) {
	i.Helper()
	i.must(what, i.installer.Migrate(i.ctx, setting))
}

func (i *installation) uninstall(what string) {
	i.Helper()
	i.must(what, i.installer.Uninstall(i.ctx))
}

func installerAbsent(i *installation) {
	schema := must(i.installer.Inspect(i.ctx))(i, "Inspect")
	if err := schema.Validate(); err != nil {
		i.Errorf("Inspect proposes a schema that is not valid: %v", err)
	}
	i.expectAbsent("before Migrate")
}

func installerAdopts(i *installation) {
	proposed := must(i.installer.Inspect(i.ctx))(i, "Inspect")
	i.migrate("Migrate")
	if i.describe() == i.before {
		i.Errorf("Migrate has changed nothing")
	}
	i.expectReady("after Migrate", setting)
	second := i.installerOf(i.Second)
	i.must("Validate in another process", second.Validate(i.ctx))
	adopted := must(second.Schema(i.ctx))(i, "Schema in another process")
	if diff := firstDifference(proposed.WithDefaults(), adopted); diff != "" {
		i.Errorf("the schema adopted, compared with the one that Inspect proposed: %s", diff)
	}
}

func installerRepeats(i *installation) {
	i.migrate("Migrate")
	once := i.describe()
	i.migrate("Migrate again")
	i.expectSchema("after Migrate was repeated", once)
	i.must("Migrate in another process", i.installerOf(i.Second).Migrate(i.ctx, setting))
	i.expectSchema("after Migrate was repeated in another process", once)
	i.expectReady("after Migrate was repeated", setting)
	changed := setting
	changed.InactiveAfter = 36 * time.Hour
	i.must("Migrate with another policy", i.installer.Migrate(i.ctx, changed))
	i.expectReady("after Migrate with another policy", changed)
}

func installerSetsPolicy(i *installation) {
	setter := optionalOf[sessioncleanup.PolicySetter](i, i.Store)
	e := sessioncleanup.Event{Action: sessioncleanup.ActionPolicyChanged, Actor: "admin:é", Reason: "DeleteAfter from 400d to 20d"}
	if _, err := setter.SetPolicy(i.ctx, sessioncleanup.Policy{AlertDue: 7}, nil, e); !errors.Is(err, sessioncleanup.ErrNotInstalled) {
		i.Errorf("SetPolicy before Migrate: error %v, want ErrNotInstalled", err)
	}
	i.migrate("Migrate")
	want := setting.WithDefaults()
	for _, change := range []sessioncleanup.Policy{
		{DeleteAfter: 20 * day}, {ArchiveKeep: 36 * time.Hour, AlertDue: 7, AlertUseRate: 0.125, AlertActivityRate: 0.25},
		{InactiveAfter: sessioncleanup.Never}, {InactiveAfter: 90 * time.Minute, ArchiveKeep: sessioncleanup.Never},
	} {
		want = change.Or(want)
		got := must(setter.SetPolicy(i.ctx, change, nil, e))(i, "SetPolicy")
		if diff := firstDifference(want, got.WithDefaults()); diff != "" {
			i.Errorf("SetPolicy returns another policy: %s", diff)
		}
		stored := must(i.installerOf(i.Second).Policy(i.ctx))(i, "Policy in another process")
		if diff := firstDifference(want, stored.WithDefaults()); diff != "" {
			i.Errorf("the policy after SetPolicy, in another process: %s", diff)
		}
	}
	i.conditionalPolicy(setter, e)
	events := must(i.Second.Events(i.ctx, sessioncleanup.EventQuery{Actions: []sessioncleanup.Action{e.Action}, Limit: 10}))(i, "Events")
	if len(events) != 6 || events[0].Actor != e.Actor || events[0].Reason != e.Reason || events[0].At.IsZero() {
		i.Errorf("the log has %d changes of the policy, the last one %+v; want 6", len(events), events)
	}
}

// conditionalPolicy has a change of the policy go on its condition, the first rules too, which may need more of the
// database than others, and has several processes that saw the same policy change it at once: one does, and one event says so.
func (i *installation) conditionalPolicy(setter sessioncleanup.PolicySetter, e sessioncleanup.Event) {
	i.Helper()
	seen := must(i.installer.Policy(i.ctx))(i, "Policy")
	second, ok := sessioncleanup.StoreAs[sessioncleanup.PolicySetter](i.Second)
	if !ok {
		i.Fatalf("the store of the other process is no PolicySetter")
	}
	changes := []sessioncleanup.Policy{{AlertDue: 100}, {DeleteAfter: 21 * day}, {AlertDue: 102}, {DeleteAfter: 22 * day}}
	if follower, ok := sessioncleanup.StoreAs[sessioncleanup.RuleFollower](i.Store); ok && follower.FollowsRules() {
		changes[0].Rules, changes[1].Rules, changes[2] = "a: delete=1d", "b: delete=1d", sessioncleanup.Policy{Rules: "c: delete=1d"}
	}
	done := make(chan error, len(changes))
	for n, change := range changes {
		s := []sessioncleanup.PolicySetter{setter, second}[n%2]
		go func() {
			_, err := s.SetPolicy(i.ctx, change, func(stored sessioncleanup.Policy) bool { return stored == seen }, e)
			done <- err
		}()
	}
	stored := 0
	for range changes {
		switch err := <-done; {
		case err == nil:
			stored++
		case !errors.Is(err, sessioncleanup.ErrChanged):
			i.Errorf("SetPolicy beside others that saw the same policy: error %v, want ErrChanged", err)
		}
	}
	now := must(i.installerOf(i.Second).Policy(i.ctx))(i, "Policy")
	if !slices.ContainsFunc(changes, func(change sessioncleanup.Policy) bool {
		return firstDifference(change.Or(seen).WithDefaults(), now.WithDefaults()) == ""
	}) {
		i.Errorf("the policy is %+v after four processes that saw the same one changed it: want that of one of them", now)
	}
	if stored != 1 {
		i.Errorf("%d of %d processes that saw the same policy changed it, want 1", stored, len(changes))
	}
	seen = must(i.installer.Policy(i.ctx))(i, "Policy")
	rules := sessioncleanup.Policy{Rules: "vip: delete=never"} // the first ones
	for _, holds := range []bool{false, true} {
		var want error
		if !holds {
			want = sessioncleanup.ErrChanged
		}
		_, err := setter.SetPolicy(i.ctx, rules, func(stored sessioncleanup.Policy) bool { return holds && stored == seen }, e)
		if !errors.Is(err, want) {
			i.Errorf("SetPolicy of the first rules, with a condition that is %v: error %v, want %v", holds, err, want)
		}
	}
}

func installerAtOnce(i *installation) {
	const processes = 4
	done := make(chan error, processes)
	for n := range processes {
		installer := i.installerOf([]sessioncleanup.Store{i.Store, i.Second}[n%2])
		go func() { done <- installer.Migrate(i.ctx, setting) }()
	}
	for range processes {
		if err := <-done; err != nil {
			i.Errorf("Migrate beside others: %v", err)
		}
	}
	i.expectAsAlone("after several migrations at once")
}

// expectAsAlone compares what is installed with an undisturbed installation.
func (i *installation) expectAsAlone(when string) {
	i.Helper()
	i.expectReady(when, setting)
	disturbed := i.describe()
	i.uninstall("Uninstall " + when)
	i.expectSchema("after Uninstall "+when, i.before)
	i.migrate("Migrate, undisturbed")
	if diff := firstLine(i.describe(), disturbed); diff != "" {
		i.Errorf("the schema %s, compared with an undisturbed installation: %s", when, diff)
	}
}

// installerInterrupted gives each call more time than the one before, until one has enough.
func installerInterrupted(i *installation) {
	interrupt := func(call func(context.Context) error, between func()) {
		var last error
		for limit := 500 * time.Microsecond; limit < time.Minute; limit *= 2 {
			ctx, cancel := context.WithTimeout(i.ctx, limit)
			last = call(ctx)
			cancel()
			if last == nil {
				return
			}
			between()
		}
		i.Fatalf("a call does not end within a minute: %v", last)
	}
	rounds := 0
	interrupt(func(ctx context.Context) error { return i.installer.Migrate(ctx, setting) }, func() {
		if rounds++; rounds%3 == 0 {
			i.expectRemoved("after Uninstall of an interrupted migration")
		}
	})
	i.expectAsAlone("after a migration that was interrupted")
	interrupt(i.installer.Uninstall, func() {})
	i.expectAbsent("after an Uninstall that was interrupted")
}

// expectRemoved uninstalls until the schema is as it was: a database may take a moment to give up the statement at which a
// migration was interrupted.
func (i *installation) expectRemoved(when string) {
	i.Helper()
	for deadline := time.Now().Add(patience); ; {
		i.uninstall("Uninstall")
		if time.Now().After(deadline) || i.describe() == i.before {
			i.expectSchema(when, i.before)
			return
		}
	}
}

func installerUninstalls(i *installation) {
	i.uninstall("Uninstall of nothing")
	i.expectAbsent("after Uninstall of nothing")
	for range 2 {
		i.migrate("Migrate")
		i.expectReady("after Migrate", setting)
		i.uninstall("Uninstall")
		i.expectAbsent("after Uninstall")
	}
	i.must("Uninstall in another process", i.installerOf(i.Second).Uninstall(i.ctx))
}

// installerKeepsTable leaves it to the installer whether it refuses to uninstall or leaves the table behind.
func installerKeepsTable(i *installation) {
	if i.Insert == nil {
		i.Skipf("Installation.Insert is nil: Migrate creates no table here")
	}
	i.migrate("Migrate")
	i.must("Installation.Insert", i.Insert(i.ctx))
	err := i.installer.Uninstall(i.ctx)
	i.Sessions++
	i.migrate("Migrate after Uninstall of a table in use")
	i.expectReady(fmt.Sprintf("after Uninstall of a table in use, which ended with %v,", err), setting)
}
