package main

import (
	"context"
	"fmt"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// cleanUp is a run of this project, with the default policy.
func cleanUp(ctx context.Context, m *sessioncleanup.Manager) (cleaned, error) {
	done := cleaned{asked: time.Now()}
	done.from = done.asked
	result, err := m.Cleanup(ctx, sessioncleanup.Run{})
	done.to = time.Now()
	done.rows, done.longest = result.Deleted+result.Deactivated, result.LongestBatch
	if err == nil && result.Failed > 0 {
		err = fmt.Errorf("%d sessions could not be changed", result.Failed)
	}
	return done, err
}

type oursPostgres struct {
	pgBed
	m *sessioncleanup.Manager
}

func openOursPostgres(s *scope, t *templates, size, due int) bed {
	l := layout{size, due}
	b := openPG(s, t, "ours", l, func(s *scope, url string) {
		makeGuide(s, url, tracked)
		fillGuide(s, url, l)
	})
	return oursPostgres{b, s.manager(s.store(b.pool))}
}

func (b oursPostgres) clean(ctx context.Context) (cleaned, error) { return cleanUp(ctx, b.m) }

func (b oursPostgres) use(ctx context.Context, n int) error {
	_, err := b.pool.Exec(ctx, addActivity, b.l.alive(n))
	return err
}

// comeBack leaves it to the trigger to write down that the session was used.
func (b oursPostgres) comeBack() func(ctx context.Context, n int) error {
	return func(ctx context.Context, n int) error {
		_, err := b.pool.Exec(ctx, addActivity, b.l.stale(n))
		return err
	}
}

type oursMemory struct {
	l     layout
	store *memory.Store
	m     *sessioncleanup.Manager
}

func openOursMemory(s *scope, _ *templates, size, due int) bed {
	l := layout{size, due}
	store := memory.New(memory.Config{})
	for n := 1; n <= size; n++ {
		if err := store.Put(l.session(n)); err != nil {
			s.Fatal(err)
		}
	}
	return oursMemory{l, store, s.manager(store)}
}

// session is the n-th of a layout.
func (l layout) session(n int) sessioncleanup.Session {
	age := 20*time.Hour - time.Duration(n)*19*time.Hour/time.Duration(l.size)
	switch {
	case n <= l.toDelete():
		age += 60 * 24 * time.Hour
	case n <= l.dueCount():
		age += 10 * 24 * time.Hour
	}
	at := time.Now().Add(-age)
	return sessioncleanup.Session{
		ID: token(n), OwnerID: token(n / 20), Name: "session " + token(n), Active: n > l.toDelete(), AutoCleanup: true,
		CreatedAt: at, LastActivity: at,
	}
}

// token names the n-th session where names are texts.
func token(n int) string { return fmt.Sprintf("token-%010d", n) }

func (b oursMemory) clean(ctx context.Context) (cleaned, error) { return cleanUp(ctx, b.m) }

func (b oursMemory) use(ctx context.Context, n int) error {
	_, err := b.store.Touch(ctx, sessioncleanup.Touch{IDs: []string{token(b.l.alive(n))}})
	return err
}

func (b oursMemory) comeBack() func(ctx context.Context, n int) error {
	return func(ctx context.Context, n int) error {
		_, err := b.store.Touch(ctx, sessioncleanup.Touch{IDs: []string{token(b.l.stale(n))}})
		return err
	}
}

func (b oursMemory) wal() int64   { return 0 }
func (b oursMemory) bytes() int64 { return 0 }
