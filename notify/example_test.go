package notify_test

import (
	"context"
	"fmt"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
	"github.com/sessioncleanup/sessioncleanup/notify"
)

// console is a channel of a program's own.
type console struct{}

func (console) Name() string { return "console" }

func (console) Notify(_ context.Context, m notify.Message) error {
	fmt.Println(m.Subject)
	return nil
}

// Operators are told once that most sessions are idle, and once that this is over.
func Example() {
	ctx := context.Background()
	db := memory.New(memory.Config{})
	sessions, err := sessioncleanup.New(db, sessioncleanup.Config{Policy: sessioncleanup.Policy{AlertActivityRate: 0.5}})
	if err != nil {
		fmt.Println(err)
		return
	}
	operators := &notify.Operators{Manager: sessions, Store: db, Channels: []notify.Notifier{console{}}, Service: "polls"}
	tell := func(active bool) {
		err := db.Put(sessioncleanup.Session{ID: "1", LastActivity: time.Now(), Active: active})
		if err != nil {
			fmt.Println(err)
		}
		figures, err := sessions.Stats(ctx, "")
		if err == nil {
			err = operators.Tell(ctx, figures) // Run does it every minute
		}
		if err != nil {
			fmt.Println(err)
		}
	}
	tell(false)
	tell(false)
	tell(true)
	// Output:
	// [polls] Few sessions are active
	// [polls] Resolved: Few sessions are active
}
