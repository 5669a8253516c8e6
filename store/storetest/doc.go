// Package storetest proves that a backend keeps the contract of sessioncleanup.Store.
//
// A backend's whole test file is an [Opener] and one call:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t testing.TB) storetest.Harness {
//			db := openTestDatabase(t)
//			return storetest.Harness{
//				Store:  mystore.New(db, mystore.Config{}),
//				Insert: db.insertSessions,
//				Pin:    db.pinSession,
//			}
//		})
//	}
//
// The suite is about 120 checks in groups: due, list, counts, sweep, update, delete, touch, application, events, seals,
// lease, context, outage, locks, concurrency and workload. Each check is a subtest with a harness of its own, so that one
// group or one check runs alone:
//
//	go test -run 'TestStore/sweep' ./mystore
//
// Harness declares what the engine can do; a check that needs more is skipped, with the reason. RunInstaller proves a
// sessioncleanup.Installer in the same way.
//
// The suite has no rules of its own: it compares a store with those of package sessioncleanup, such as Query.Answer,
// Change.Apply and Cutoffs.Due, on chosen and on random data. All times come from the store's own clock. Random data is
// the same in every run; the environment variable SESSIONCLEANUP_TEST_SEED, a whole number, changes it, and a check that
// uses random data logs the seed.
//
// The suite's own tests run it against stores that each break one rule and require that it notices.
package storetest
