package memory_test

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/longnames"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestALongNameIsCut(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Config{})
	for _, id := range []string{"1", "2", "3"} {
		if err := db.Put(sessioncleanup.Session{ID: id, Name: longnames.Name(id), OwnerName: longnames.Name(id), Active: true}); err != nil {
			t.Fatal(err)
		}
	}
	longnames.Check(t, db)
}
