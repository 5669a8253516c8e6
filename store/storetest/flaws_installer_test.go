package storetest

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// catalog is a database to install in: the names of what it has, and the sessions.
type catalog struct {
	sessioncleanup.Store // of the sessions

	mu      sync.Mutex
	things  map[string]bool
	policy  sessioncleanup.Policy
	running chan struct{} // holds the lock of migrations

	// The flaws change these.
	inspects   func()                          // besides what Inspect does
	validates  func() error                    // what Validate does
	migrates   func(ctx context.Context) error // before Migrate
	forgets    bool                            // the policy of a second Migrate
	trusts     bool                            // that what was begun is complete
	alone      bool                            // fails beside another migration
	leaves     string                          // what Uninstall leaves behind
	drops      bool                            // the table, whatever is in it
	resets     bool                            // the policy to its defaults, but for what is set
	silent     bool                            // writes no event
	overwrites bool                            // whatever the policy is by now
	hasty      bool                            // stores rules before it looks at the condition
	careless   bool                            // runs whether or not activity is noticed
	oblivious  bool                            // does not look for what was not noticed
	unseen     string                          // the session that was used meanwhile
	adopts     func(sessioncleanup.Schema) sessioncleanup.Schema
}

// library is what Migrate adds, in its order.
var library = []string{"table events", "column last_activity", "index idle", "trigger used", "view figures"}

func newCatalog() *catalog {
	c := &catalog{
		Store: memory.New(memory.Config{}), things: map[string]bool{"table users": true}, running: make(chan struct{}, 1),
		inspects: func() {}, migrates: func(context.Context) error { return nil },
		adopts: func(s sessioncleanup.Schema) sessioncleanup.Schema { return s },
	}
	c.validates = c.missing
	return c
}

func (c *catalog) has(thing string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.things[thing]
}

func (c *catalog) set(thing string, there bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if there {
		c.things[thing] = true
	} else {
		delete(c.things, thing)
	}
}

func (c *catalog) missing() error {
	for _, thing := range append(library, "table sessions") {
		if !c.has(thing) {
			return sessioncleanup.ErrNotInstalled
		}
	}
	return nil
}

func (c *catalog) Inspect(context.Context) (sessioncleanup.Schema, error) {
	c.inspects()
	return sessioncleanup.OwnSchema(), nil
}

func (c *catalog) Validate(context.Context) error { return c.validates() }

func (c *catalog) Migrate(ctx context.Context, p sessioncleanup.Policy) error {
	select {
	case c.running <- struct{}{}:
		defer func() { <-c.running }()
	default:
		if c.alone {
			return errors.New("another migration is running")
		}
		select {
		case c.running <- struct{}{}:
			defer func() { <-c.running }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := errors.Join(c.migrates(ctx), c.catchUp(ctx)); err != nil {
		return err
	}
	if !c.has("table sessions") {
		c.set("table sessions", true)
		c.set("mark: created", true)
	}
	for _, thing := range library {
		if c.trusts && c.has(library[0]) {
			break
		}
		if err := wait.For(ctx, 200*time.Microsecond); err != nil {
			return err
		}
		c.set(thing, true)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.forgets || c.policy == (sessioncleanup.Policy{}) {
		c.policy = p
	}
	return nil
}

func (c *catalog) Policy(context.Context) (sessioncleanup.Policy, error) {
	err := c.missing()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.policy, err
}

func (c *catalog) SetPolicy(ctx context.Context, change sessioncleanup.Policy, condition func(sessioncleanup.Policy) bool, e sessioncleanup.Event) (sessioncleanup.Policy, error) {
	if err := c.missing(); err != nil {
		return sessioncleanup.Policy{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hasty && change.Rules != "" {
		c.policy = change.Or(c.policy)
	}
	if condition != nil && !c.overwrites && !condition(c.policy) {
		return sessioncleanup.Policy{}, sessioncleanup.ErrChanged
	}
	if c.resets {
		c.policy = sessioncleanup.Policy{}
	}
	if c.policy = change.Or(c.policy); c.silent {
		return c.policy, nil
	}
	_, err := c.Record(ctx, sessioncleanup.Record{Event: e})
	return c.policy, err
}

// FollowsRules makes the catalog a RuleFollower.
func (c *catalog) FollowsRules() bool { return true }

func (c *catalog) Schema(context.Context) (sessioncleanup.Schema, error) {
	return c.adopts(sessioncleanup.OwnSchema()), c.missing()
}

func (c *catalog) Counts(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	if err := c.missing(); err != nil {
		return sessioncleanup.Counts{}, err
	}
	return c.Store.Counts(ctx, q)
}

func (c *catalog) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	if err := c.missing(); err != nil && !c.careless {
		return sessioncleanup.BatchResult{}, err
	}
	return c.Store.Sweep(ctx, b)
}

// catchUp counts what was not noticed.
func (c *catalog) catchUp(ctx context.Context) error {
	if c.unseen == "" || c.oblivious {
		return nil
	}
	_, err := c.Touch(ctx, sessioncleanup.Touch{IDs: []string{c.unseen}})
	c.unseen = ""
	return err
}

func (c *catalog) Uninstall(ctx context.Context) error {
	counts, err := c.Store.Counts(ctx, sessioncleanup.CountsQuery{})
	if err != nil {
		return err
	}
	created := c.has("mark: created")
	if created && counts.Total > 0 && !c.drops {
		return errors.New("there are sessions in it")
	}
	for _, thing := range slices.Backward(library) {
		if err := wait.For(ctx, 200*time.Microsecond); err != nil {
			return err
		}
		c.set(thing, thing == c.leaves && c.has(thing))
	}
	if created {
		page, err := c.List(ctx, sessioncleanup.Query{Limit: everything})
		for _, s := range page.Sessions {
			_, err = c.Delete(ctx, sessioncleanup.Target{ID: s.ID}, cause("drop"))
		}
		c.set("table sessions", false)
		c.set("mark: created", false)
		return err
	}
	return nil
}

// installation is one on the catalog, with sessions of the application in it or empty.
func (c *catalog) installation(sessions int) Installation {
	mem := c.Store.(*memory.Store)
	i := Installation{Store: c, Sessions: sessions, Describe: func(context.Context) (string, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		return strings.Join(slices.Sorted(maps.Keys(c.things)), "\n"), nil
	}}
	if sessions == 0 {
		i.Insert = func(context.Context) error { return mem.Put(sessioncleanup.Session{ID: "1", Active: true}) }
		return i
	}
	c.things["table sessions"] = true
	for n := range sessions {
		_ = mem.Put(sessioncleanup.Session{ID: string(rune('a' + n)), Active: true, AutoCleanup: true}) // it has an ID
	}
	i.Unnoticed = func(context.Context) (string, error) {
		c.set("trigger used", false)
		c.unseen = "b"
		return c.unseen, mem.Put(sessioncleanup.Session{ID: c.unseen, Active: true, AutoCleanup: true, LastActivity: time.Now().Add(-9 * day)})
	}
	return i
}

// tryInstaller runs a check to its end, which may be in the middle of it.
func tryInstaller(ctx context.Context, c installerCheck, i Installation) *recorder {
	r := &recorder{ctx: ctx}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.run(r, i)
	}()
	<-done
	return r
}

func TestInstallerChecksPassSoundInstaller(t *testing.T) {
	t.Parallel()
	for _, sessions := range []int{0, 3} {
		for _, c := range installerChecks() {
			if r := tryInstaller(t.Context(), c, newCatalog().installation(sessions)); len(r.failures) > 0 {
				t.Errorf("with %d sessions, %s: %s", sessions, c.name, r.failures[0])
			}
		}
	}
}

func TestInstallerChecksCatchBrokenInstallers(t *testing.T) {
	t.Parallel()
	all, idle := map[uintptr]installerCheck{}, map[uintptr]string{}
	for _, c := range installerChecks() {
		all[reflect.ValueOf(c.prove).Pointer()], idle[reflect.ValueOf(c.prove).Pointer()] = c, c.name
	}
	for _, flaw := range []struct {
		rule     string
		breaks   func(*catalog)
		caughtBy []func(*installation)
	}{
		{"installs something when it inspects", func(c *catalog) { c.inspects = func() { c.set("table of inspections", true) } }, []func(*installation){installerAbsent}},
		{"finds nothing missing", func(c *catalog) { c.validates = func() error { return nil } }, []func(*installation){installerAbsent, installerUninstalls}},
		{"is never ready", func(c *catalog) { c.validates = func() error { return sessioncleanup.ErrNotInstalled } }, []func(*installation){installerAdopts}},
		{"adopts other columns than it proposed", func(c *catalog) {
			c.adopts = func(s sessioncleanup.Schema) sessioncleanup.Schema { s.Owner = "other"; return s }
		}, []func(*installation){installerAdopts}},
		{"loses sessions", func(c *catalog) {
			c.migrates = func(ctx context.Context) error {
				_, err := c.Delete(ctx, sessioncleanup.Target{ID: "a"}, cause("lost"))
				return err
			}
		}, []func(*installation){installerAdopts}},
		{"adds an index each time", func(c *catalog) {
			n := 0
			c.migrates = func(context.Context) error { n++; c.set("index "+strings.Repeat("i", n), true); return nil }
		}, []func(*installation){installerRepeats, installerUninstalls}},
		{"keeps its first policy", func(c *catalog) { c.forgets = true }, []func(*installation){installerRepeats}},
		{"sets the whole policy", func(c *catalog) { c.resets = true }, []func(*installation){installerSetsPolicy}},
		{"overwrites what somebody else stored", func(c *catalog) { c.overwrites = true }, []func(*installation){installerSetsPolicy}},
		{"stores rules although the condition does not hold", func(c *catalog) { c.hasty = true }, []func(*installation){installerSetsPolicy}},
		{"changes the policy in silence", func(c *catalog) { c.silent = true }, []func(*installation){installerSetsPolicy}},
		{"fails beside another migration", func(c *catalog) { c.alone = true }, []func(*installation){installerAtOnce}},
		{"takes what was begun for complete", func(c *catalog) { c.trusts = true }, []func(*installation){installerInterrupted}},
		{"leaves a view behind", func(c *catalog) { c.leaves = "view figures" }, []func(*installation){installerUninstalls, installerInterrupted}},
		{"runs although activity is not noticed", func(c *catalog) { c.careless = true }, []func(*installation){installerCatchesUp}},
		{"makes its triggers again, and goes on", func(c *catalog) { c.oblivious = true }, []func(*installation){installerCatchesUp}},
		{"drops a table in use", func(c *catalog) { c.drops = true }, []func(*installation){installerKeepsTable}},
	} {
		for _, prove := range flaw.caughtBy {
			at := reflect.ValueOf(prove).Pointer()
			delete(idle, at)
			caught := false
			for _, sessions := range []int{0, 3} {
				c := newCatalog()
				flaw.breaks(c)
				r := tryInstaller(t.Context(), all[at], c.installation(sessions))
				for _, failure := range r.failures {
					caught = true
					t.Logf("%s: %s", flaw.rule, failure)
				}
			}
			if !caught {
				t.Errorf("%s: passes an installer that %s", all[at].name, flaw.rule)
			}
		}
	}
	for _, name := range idle {
		t.Errorf("%s: no broken installer is caught by it", name)
	}
}
