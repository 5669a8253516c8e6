package command

import (
	"context"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
	"github.com/sessioncleanup/sessioncleanup/store"
)

// shelf is a store from outside of this module, with a database for each URL.
type shelf struct {
	sessioncleanup.Store
}

func (shelf) Close() error { return nil } // the next call of the command opens the same sessions

func TestAllVerbsServeARegisteredStore(t *testing.T) {
	t.Parallel()
	mem := memory.New(memory.Config{})
	long := time.Now().Add(-48 * time.Hour)
	for _, id := range []string{"1", "2"} {
		if err := mem.Put(sessioncleanup.Session{ID: id, OwnerID: "7", Active: true, AutoCleanup: true, LastActivity: long, CreatedAt: long}); err != nil {
			t.Fatal(err)
		}
	}
	store.Register("shelf", func(_ context.Context, url string, c store.Config) (sessioncleanup.Store, error) {
		if url != "shelf:rooms?password=hidden" || c.Logger == nil {
			t.Errorf("the opener got %q and the logger %v", url, c.Logger)
		}
		return shelf{mem}, nil
	})
	u := newUser(t, map[string]string{envDatabase: "shelf:rooms?password=hidden"})
	for _, call := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--help"}, exitDone, "shelf:..."},
		{[]string{"migrate"}, exitDone, "Nothing to migrate"},
		{[]string{"validate"}, exitFailed, "this store has no database to validate"},
		{[]string{"stats"}, exitDone, "2"},
		{[]string{"touch", "1"}, exitDone, ""},
		{[]string{"cleanup", "--dry-run"}, exitDone, "deactivate 1."},
		{[]string{"cleanup"}, exitDone, "deactivated 1"},
		{[]string{"list", "--status", "inactive"}, exitDone, "2"},
		{[]string{"reactivate", "2"}, exitDone, ""},
		{[]string{"show", "2"}, exitDone, "active"},
		{[]string{"delete", "2", "--yes"}, exitDone, ""},
		{[]string{"events"}, exitDone, "deleted"},
	} {
		u.calls(call.args...).want(t, call.code, call.want)
	}
}
