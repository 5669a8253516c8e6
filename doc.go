// Package sessioncleanup manages the lifecycle of application sessions: the rows of a table of live rooms, polls, carts or
// chats. It tracks their activity, deactivates sessions that have been idle for a day, and deletes them a month later. A dry
// run shows the effect of a run beforehand; protected sessions are left alone; every change is logged.
//
// A [Manager] applies the rules to a [Store]: packages postgres, sqlite, mysql and memory are stores, and package store opens
// one by URL. A [Schema] says which table of the application has the sessions; what it leaves open is read from the database.
//
//	db, err := store.OpenWith(ctx, "sqlite:app.db", store.Config{Schema: sessioncleanup.Schema{Table: "rooms"}})
//	…
//	defer db.Close()
//	sessions, err := sessioncleanup.New(db, sessioncleanup.Config{Logger: slog.Default()})
//	…
//	if err := sessions.Migrate(ctx); err != nil { … }
//	result, err := sessions.Cleanup(ctx, sessioncleanup.Run{DryRun: true})
//
// # Terms
//
// A session has an owner. An activity table is a child table whose rows show that a session is in use; to touch a session
// is to set its last activity to now. The [Policy] says after how long without activity a session is due: for
// deactivation while it is active, for deletion once it is inactive. A run does what is due, in batches that are one short
// transaction each, and writes an [Event] for every change, in the transaction of that change.
//
// # Rules
//
// The file rules.go states what is due, as [Cutoffs], and apply.go the Apply methods of [Change], [Touch] and [Lease]. A run
// reads the store's clock once and measures every session against that moment; it deletes first and deactivates then, so
// that no session goes through both in one run; and each write repeats the condition under the row's lock, so that a
// session which was used in between stays as it is.
//
// # Access
//
// The Manager that [New] returns may do everything. [Manager.As] returns one limited to what an admin, an owner or a
// viewer may do; handlers and user interfaces hold no rule of their own.
package sessioncleanup
