package sessioncleanup_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// seen keeps what Config.Observe is told, with the operations that each is part of.
type seen struct {
	mu    sync.Mutex
	begun int
	ended []string // "cleanup/deleted/Sweep"
	last  map[string]sessioncleanup.Ended
}

type pathKey struct{}

func (s *seen) observe(ctx context.Context, o sessioncleanup.Operation) (context.Context, func(sessioncleanup.Ended)) {
	path, _ := ctx.Value(pathKey{}).(string)
	path += "/" + o.Name
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun++
	return context.WithValue(ctx, pathKey{}, path), func(e sessioncleanup.Ended) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended, s.last[path] = append(s.ended, path), e
	}
}

func newObserved(t *testing.T, o memory.Config) (*sessioncleanup.Manager, *memory.Store, *seen) {
	t.Helper()
	db, s := memory.New(o), &seen{last: map[string]sessioncleanup.Ended{}}
	m, err := sessioncleanup.New(db, sessioncleanup.Config{Observe: s.observe, Policy: sessioncleanup.Policy{Archive: sessioncleanup.On}})
	if err != nil {
		t.Fatal(err)
	}
	return m, db, s
}

func TestRunsBatchesAndCallsAreObserved(t *testing.T) {
	t.Parallel()
	m, db, s := newObserved(t, memory.Config{})
	put(t, db, 1, 3, 2*day, nil)
	put(t, db, 10, 2, 40*day, inactive)
	result, err := m.Cleanup(t.Context(), sessioncleanup.Run{})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]sessioncleanup.Ended{
		"/cleanup":                   {RunID: result.RunID, Sessions: 5},
		"/cleanup/deleted":           {RunID: result.RunID, Sessions: 2},
		"/cleanup/deactivated":       {RunID: result.RunID, Sessions: 3},
		"/cleanup/deleted/Sweep":     {},
		"/cleanup/deactivated/Sweep": {},
		"/cleanup/Lease":             {},
		"/cleanup/Record":            {},
		"/cleanup/List":              {},
		"/cleanup/Now":               {},
	} {
		if diff := cmp.Diff(want, s.last[path]); diff != "" || !slices.Contains(s.ended, path) {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	if s.begun != len(s.ended) || s.ended[len(s.ended)-1] != "/cleanup" {
		t.Errorf("%d operations began, and ended: %v", s.begun, s.ended)
	}
	if _, err := m.Deactivate(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Deactivate(t.Context(), "none"); !errors.Is(s.last["/Update"].Err, sessioncleanup.ErrNotFound) {
		t.Errorf("Update ended with %v, Deactivate with %v", s.last["/Update"].Err, err)
	}
	if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{DryRun: true}); err != nil || !slices.Contains(s.ended, "/dry run") {
		t.Errorf("a dry run is not observed: %v, %v", err, s.ended)
	}
}

func TestWhatAPanicEndsIsObservedToo(t *testing.T) {
	t.Parallel()
	m, db, s := newObserved(t, memory.Config{})
	put(t, db, 1, 1, 2*day, nil)
	func() {
		defer func() { _ = recover() }()
		_, _ = m.Cleanup(t.Context(), sessioncleanup.Run{Progress: func(sessioncleanup.Progress) { panic("stop") }})
	}()
	if s.last["/cleanup"].Err == nil || s.begun != len(s.ended) {
		t.Errorf("the run ended with %v; %d operations began, %d ended", s.last["/cleanup"].Err, s.begun, len(s.ended))
	}
}
