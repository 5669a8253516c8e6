package store_test

import (
	"context"
	"fmt"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
	"github.com/sessioncleanup/sessioncleanup/store"
)

// A backend of your own is opened by URL after it was registered, by package command too.
func ExampleRegister() {
	store.Register("mystore", func(_ context.Context, url string, _ store.Config) (sessioncleanup.Store, error) {
		fmt.Println("opening", url)
		return memory.New(memory.Config{}), nil // mystore.Open(ctx, url)
	})
	db, err := store.Open(context.Background(), "mystore:rooms")
	fmt.Println(db != nil, err)
	// Output:
	// opening mystore:rooms
	// true <nil>
}
