package storetest

import (
	"errors"
	"maps"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "outage" proves what happens when the connections to the database are lost.
func outageChecks() []check {
	return []check{
		{"outage", "before a call makes it an ErrUnavailable at most, and the next calls work", lostConnection},
		{"outage", "while a write waits makes it an ErrUnavailable that changed nothing", lostWhileWaiting},
	}
}

// disconnect ends the store's connections, or skips the check.
func (f *fixture) disconnect() {
	f.Helper()
	if f.Disconnect == nil {
		f.Skipf("Harness.Disconnect is nil: the engine has no connections that can be lost")
	}
	f.must(f.Disconnect(f.ctx), "Harness.Disconnect")
}

func lostConnection(f *fixture) {
	calls := f.calls()
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		sessions := []sessioncleanup.Session{f.dueForDeactivation(1), f.dueForDeletion(2), f.undated(3)}
		f.insert(sessions...)
		f.disconnect()
		err := calls[name](f.ctx, f.Store)
		if err != nil && !errors.Is(err, sessioncleanup.ErrUnavailable) {
			f.Errorf("%s after the connections were lost: %v, want none or ErrUnavailable", name, err)
		}
		f.eventually("call "+name+" again after the connections were lost", func() error {
			_, err := f.Store.Now(f.ctx)
			return err
		})
		if err != nil {
			f.expectSessions("after "+name+", which failed", sessions...)
		}
		f.remove(idsOf(f.all())...)
	}
}

func lostWhileWaiting(f *fixture) {
	s := f.fresh(1)
	f.insert(s)
	tx := f.begin()
	defer func() { _ = tx.Rollback() }()
	f.locked("the row of a session", tx.LockSession(f.ctx, s.ID))
	updated := make(chan error, 1)
	go func() {
		change := sessioncleanup.Change{Cause: cause("lost"), Action: sessioncleanup.ActionDeactivated, Active: sessioncleanup.Off}
		_, err := f.Store.Update(f.ctx, sessioncleanup.Target{ID: s.ID}, change)
		updated <- err
	}()
	var err error
	f.eventually("lose the connection of an update that waits for a lock", func() error {
		f.disconnect()
		select {
		case err = <-updated:
			return nil
		default:
			return errors.New("the update goes on")
		}
	})
	if !errors.Is(err, sessioncleanup.ErrUnavailable) {
		f.Errorf("Update whose connection was lost: %v, want ErrUnavailable", err)
	}
	f.rollback(tx)
	f.eventually("read the session after the connections were lost", func() error {
		_, err := f.Store.Now(f.ctx)
		return err
	})
	f.expectSessions("after an update whose connection was lost", s)
	f.expectLog("after an update whose connection was lost", 0)
}
