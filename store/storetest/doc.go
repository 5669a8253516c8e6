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
// The suite is some sixty checks in groups: due, list, counts, batch, update, delete, touch, events, lease, context,
// concurrency and workload. Each is a subtest with a harness of its own, so that one group or one check can be run
// alone:
//
//	go test -run 'TestStore/batch' ./mystore
//
// Checks take all times from the store's own clock and what is due from sessioncleanup.Cutoffs, the one statement
// of the rules. Random data is the same in every run; the environment variable SESSIONCLEANUP_TEST_SEED, a whole
// number, changes it, and a check that fails on random data prints the seed that it used.
//
// The suite's own tests run it against stores that each break one rule and require that it notices.
package storetest
