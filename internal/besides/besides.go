// Package besides checks that two installations in one database leave each other alone.
package besides

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
)

// Side is one of the two installations.
type Side struct {
	Store sessioncleanup.Store
	// Insert adds a session of the application's, last used some time ago.
	Insert func(ctx context.Context, id int, idle time.Duration) error
	// Use writes a row of an activity table for a session.
	Use func(ctx context.Context, id int) error
	// Describe returns everything that the installation has, and its sessions, as lines: definitions and rows.
	Describe func(ctx context.Context) ([]string, error)
}

// Check does random things on one side at a time. Nothing of the other side may change.
func Check(t *testing.T, sides [2]Side, steps int) {
	t.Helper()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	var worlds [2]*world
	for i := range sides {
		worlds[i] = &world{Side: sides[i], t: t, random: random}
		worlds[i].migrate(t.Context())
	}
	for step := range steps {
		n := random.IntN(2)
		acts, rests := worlds[n], worlds[1-n]
		before := rests.describe(t.Context())
		did, err := acts.act(t.Context())
		if err != nil {
			t.Fatalf("seed %d, step %d: %s on side %d: %v", seed, step, did, n, err)
		}
		if diff := cmp.Diff(before, rests.describe(t.Context())); diff != "" {
			t.Fatalf("seed %d, step %d: %s on side %d changed the other one (-before +after):\n%s", seed, step, did, n, diff)
		}
		if acts.changes == nil {
			continue
		}
		if after := acts.describe(t.Context()); cmp.Equal(acts.changes, after) {
			t.Fatalf("seed %d, step %d: %s on side %d changed nothing", seed, step, did, n)
		}
	}
}

type world struct {
	Side
	t        *testing.T
	random   *rand.Rand
	sessions *sessioncleanup.Manager
	last     int      // the number of the last session
	changes  []string // what must not be the same after an act, if any
}

func (w *world) describe(ctx context.Context) []string {
	w.t.Helper()
	lines, err := w.Describe(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	return lines
}

// migrate stores a policy of its own.
func (w *world) migrate(ctx context.Context) {
	w.t.Helper()
	policy := sessioncleanup.Policy{
		InactiveAfter: time.Duration(1+w.random.IntN(48)) * time.Hour, DeleteAfter: time.Duration(3+w.random.IntN(9)) * 24 * time.Hour, MaxDeleteFraction: 1,
		Archive: sessioncleanup.SwitchOf(w.random.IntN(2) == 0), AlertDue: 1 + w.random.IntN(1000),
	}
	var err error
	if w.sessions, err = sessioncleanup.New(w.Store, sessioncleanup.Config{Policy: policy}); err == nil {
		err = w.sessions.Migrate(ctx)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// act does one random thing.
func (w *world) act(ctx context.Context) (did string, err error) {
	w.changes = nil
	changes := func() { w.changes = w.describe(ctx) }
	id := fmt.Sprint(1 + w.random.IntN(w.last+1))
	switch w.random.IntN(12) {
	case 0:
		changes()
		w.migrate(ctx)
		return "migrate", nil
	case 1:
		if w.random.IntN(3) > 0 {
			_, err = w.sessions.Stats(ctx, "")
			return "stats", err
		}
		changes()
		return "uninstall and migrate", w.reinstall(ctx)
	case 2, 3, 4:
		w.last++
		changes()
		return "insert", w.Insert(ctx, w.last, time.Duration(w.random.IntN(40*24))*time.Hour)
	case 5:
		return "use", w.Use(ctx, 1+w.random.IntN(w.last+1))
	case 6:
		return "touch", gone(w.sessions.Touch(ctx, id))
	case 7:
		_, err = w.sessions.Deactivate(ctx, id)
		return "deactivate", gone(err)
	case 8:
		_, err = w.sessions.Reactivate(ctx, id)
		return "reactivate", gone(err)
	case 9:
		_, err = w.sessions.Delete(ctx, id)
		return "delete", gone(err)
	default:
		changes()
		_, err = w.sessions.Cleanup(ctx, sessioncleanup.Run{Force: true})
		return "cleanup", err
	}
}

// reinstall removes everything and adds it again, unless there is something in the archive.
func (w *world) reinstall(ctx context.Context) error {
	installer, ok := sessioncleanup.InstallerOf(w.Store)
	if !ok {
		return errors.ErrUnsupported
	}
	archived, err := w.sessions.Archived(ctx, sessioncleanup.ArchiveOptions{})
	if err != nil {
		return err
	}
	if len(archived) > 0 { // which keeps it
		w.changes = nil
		return nil
	}
	if err := installer.Uninstall(ctx); err != nil {
		return err
	}
	w.migrate(ctx)
	return nil
}

// gone is an error, unless it says that there is no such session.
func gone(err error) error {
	if errors.Is(err, sessioncleanup.ErrNotFound) {
		return nil
	}
	return err
}
