package sessioncleanup

import "context"

// OwnerFinder is implemented by stores that know how owners are reached: see Schema.Owners.
type OwnerFinder interface {
	// FindOwner returns how an owner is reached. ErrNotFound: there is no such owner. errors.ErrUnsupported, whatever the ID: the
	// schema says nothing about that.
	FindOwner(ctx context.Context, id string) (Owner, error)
}

// Owner is how an owner is reached, as the application keeps it: the texts are not checked. Each may be empty.
type Owner struct {
	Mail     string // an address
	Language string // a tag such as "fr" or "fr-CA"
	Zone     string // a time zone such as "Europe/Paris"
}
