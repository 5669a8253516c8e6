// Package sessioncleanup looks after the lifecycle of application sessions: the rows of a table of live rooms,
// polls, carts or chats that belong to somebody and pile up. It follows their activity, deactivates those that
// went unused for a day, deletes those that went unused for a month, leaves protected ones alone, says beforehand
// what it would do and afterwards what it did.
//
// A [Manager] holds the rules and works on a [Store]: packages postgres, sqlite and memory are stores, and package
// store opens one by URL.
//
//	db, err := store.Open(ctx, "sqlite:app.db")
//	…
//	defer db.Close()
//	sessions, err := sessioncleanup.New(db, sessioncleanup.Config{Logger: slog.Default()})
//	…
//	if err := sessions.Migrate(ctx); err != nil { … }
//	result, err := sessions.Cleanup(ctx, sessioncleanup.Run{DryRun: true})
//
// # Words
//
// A session has an owner. Rows of an activity source, a child table, show that it is in use; to touch it is to set
// its last activity to now. The [Policy] says after how long without activity a session is due: for deactivation
// while it is active, for deletion once it is inactive. A run does what is due, in batches that are one short
// transaction each, and writes an [Event] for every change, in the transaction of that change.
//
// # Rules
//
// [Cutoffs] states them. A run reads the store's clock once and measures every session against that moment; it
// deletes first and deactivates then, so that no session goes through both at once; and each write repeats the
// condition under the row's lock, so that a session which was used in between stays as it is.
//
// # Access
//
// What [New] gives may do everything. [Manager.As] gives the same operations limited to what an admin, an owner
// or a viewer may do; handlers and user interfaces hold no rule of their own.
package sessioncleanup
