package sessioncleanup

import "context"

// Installation is one table of sessions in a database, with everything that Migrate added for it: policy, audit log,
// leases, archive, triggers and functions. A database may have several, each for another table. At most one of them has
// no name; the name is set in the configuration of the store.
type Installation struct {
	Name  string `json:"name"`  // empty for the one without
	Table string `json:"table"` // of the sessions, as in Schema
}

// InstallationLister is implemented by stores of databases that can have several installations.
type InstallationLister interface {
	// Installations lists the installations in the store's database that the store could work with, sorted by name; the
	// one without a name comes first.
	Installations(ctx context.Context) ([]Installation, error)
}
