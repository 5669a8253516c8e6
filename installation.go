package sessioncleanup

import (
	"cmp"
	"context"
	"slices"
)

// Installation is one table of sessions in a database with everything that Migrate added for it: policy, audit log,
// leases, archive, triggers and functions. A database may have several, for one table each, of which all but one have a
// name: that in the configuration of their stores.
type Installation struct {
	Name  string `json:"name"`  // empty for the one without
	Table string `json:"table"` // of the sessions, as in Schema
}

// InstallationLister is implemented by stores of databases that can have several installations.
type InstallationLister interface {
	// Installations lists those of the store's database that the store could work with, by name, the one without a name first.
	Installations(ctx context.Context) ([]Installation, error)
}

// SortInstallations sorts them by name.
func SortInstallations(all []Installation) {
	slices.SortFunc(all, func(a, b Installation) int { return cmp.Compare(a.Name, b.Name) })
}
