package sessioncleanup

import "context"

// OwnerFinder is implemented by stores that know the contact data of owners; see Schema.Owners.
type OwnerFinder interface {
	// FindOwner returns an owner's contact data. It fails with ErrNotFound when there is no such owner, and with
	// errors.ErrUnsupported, whatever the ID, when the schema does not say where to find it.
	FindOwner(ctx context.Context, id string) (Owner, error)
}

// Owner holds the contact data of an owner as the application keeps it. The values are not checked. Each may be empty.
type Owner struct {
	Mail     string // an address
	Language string // a tag such as "fr" or "fr-CA"
	Zone     string // a time zone such as "Europe/Paris"
}
