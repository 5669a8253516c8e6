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
// The file rules.go states what is due, as [Cutoffs], and apply.go the Apply methods of [Change], [Touch] and [Lease]. Stores
// that are databases repeat the same conditions in SQL.
//
// # A run
//
// [Manager.Cleanup] proceeds in these steps, in cleanup.go unless another file is named:
//
//  1. It reads the stored policy, which may have changed, and checks its options.
//  2. It takes the lease (run_lease.go), so that one run at a time works on a store.
//  3. It reads the store's clock once, refuses a wrong one (clock.go), and computes its Cutoffs. It ends here while cleanup
//     is paused (pause.go).
//  4. It records an earlier run that ended without a record (run_recovery.go).
//  5. It counts what is due. The deletion limit decides whether sessions may be deleted (deletion_limit.go).
//  6. It purges the archive (purge.go), then deletes, warns and deactivates, in this order, so that no session goes through
//     two of these phases in one run. Each phase consists of batches (batch.go): [Store.Sweep] finds the next sessions along
//     an index, locks their rows, repeats the condition under the lock, so that a session that was used in between stays as
//     it is, and writes the changes and their event in one transaction. A batch that fails is tried again in halves, down to
//     the row at fault, which is reported and left out.
//  7. It backs the archive up (backup_run.go), records its result as an event (run_record.go), releases the lease, and seals
//     the audit log (verify.go).
//
// A dry run (dry_run.go) does steps 1, 3 and 5, and changes nothing.
//
// # Access
//
// The Manager that [New] returns may do everything. [Manager.As] returns one limited to what an admin, an owner or a
// viewer may do; handlers and user interfaces hold no rule of their own.
package sessioncleanup
