package sessioncleanup

import (
	"slices"
	"time"
)

// MaxName is the number of characters that a store returns, sorts by and searches of a session's name or code, or of an
// owner's name. So the memory that a list takes does not depend on how long the names are.
const MaxName = 1000

// Session is one row of the application's table of sessions, as the library sees it.
type Session struct {
	// ID identifies the session. It is always a string here, whatever the type of the application's column.
	ID string `json:"id"`
	// OwnerID is the owner of the session; empty when it has none or the application keeps no owner.
	OwnerID string `json:"owner_id,omitempty"`
	// OwnerName is the owner's display name, when the schema says where to find it, at most the first MaxName characters.
	OwnerName string `json:"owner_name,omitempty"`
	// Name and Code are what people call the session, at most the first MaxName characters; either may be empty.
	Name string `json:"name,omitempty"`
	Code string `json:"code,omitempty"`

	// Active is true until the session is deactivated.
	Active bool `json:"active"`
	// AutoCleanup is false for a session that nothing automatic may ever change.
	AutoCleanup bool `json:"auto_cleanup"`

	// CreatedAt and UpdatedAt come from the application's columns; zero where it has none.
	CreatedAt time.Time `json:"created_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
	// LastActivity is when the session was last used, to within Policy.TouchInterval.
	LastActivity time.Time `json:"last_activity"`
	// ExpiresAt ends the session at a fixed time, used or not; zero means that it has no such time.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// DeactivatedAt is when an inactive session was deactivated, by anyone. Zero for an active session, and while
	// it is not known: see ActionDated. 1970 means "before the table was adopted".
	DeactivatedAt time.Time `json:"deactivated_at,omitzero"`

	// ActivityCount is the number of rows that the activity tables hold for the session.
	ActivityCount int64 `json:"activity_count"`

	// Tags are the session's tags, in their order; nil without any. See Tagger.
	Tags []string `json:"tags,omitempty"`

	// Warning is the last warning of its owner. A Manager leaves it out unless it is for this idle period, and so counts.
	Warning Warning `json:"warning,omitzero"`

	// AsOf is the store's clock when the session was read.
	AsOf time.Time `json:"-"`

	// Status, DeactivateAt and DeleteAt follow from the policy at AsOf; see Cutoffs. A Manager fills them in, a Store
	// does not. A zero time means never.
	Status       Status    `json:"status,omitempty"`
	DeactivateAt time.Time `json:"deactivate_at,omitzero"`
	DeleteAt     time.Time `json:"delete_at,omitzero"`
	// DeactivateRule and DeleteRule are the tags whose rules set these times, or say never; empty where the policy itself
	// does. See Policy.Rules.
	DeactivateRule string `json:"deactivate_rule,omitempty"`
	DeleteRule     string `json:"delete_rule,omitempty"`
}

// Equal reports whether two sessions are stored alike. It compares every field but Warning, AsOf and those that follow
// from the policy.
func (s Session) Equal(o Session) bool {
	return s.ID == o.ID && s.OwnerID == o.OwnerID && s.OwnerName == o.OwnerName && s.Name == o.Name && s.Code == o.Code &&
		s.Active == o.Active && s.AutoCleanup == o.AutoCleanup && s.ActivityCount == o.ActivityCount &&
		s.CreatedAt.Equal(o.CreatedAt) && s.UpdatedAt.Equal(o.UpdatedAt) &&
		s.LastActivity.Equal(o.LastActivity) && s.ExpiresAt.Equal(o.ExpiresAt) && s.DeactivatedAt.Equal(o.DeactivatedAt) &&
		slices.Equal(s.Tags, o.Tags)
}

// Ref returns what an Event keeps of the session.
func (s Session) Ref() SessionRef { return SessionRef{ID: s.ID, OwnerID: s.OwnerID, Name: s.Name} }

// Status is the state of a session under the policy at one moment.
type Status string

// The statuses of a session. Exactly one holds at a time.
const (
	StatusActive       Status = "active"        // in use, nothing is due
	StatusToDeactivate Status = "to_deactivate" // active, and due for deactivation
	StatusInactive     Status = "inactive"      // deactivated, not yet due for deletion
	StatusToDelete     Status = "to_delete"     // inactive, and due for deletion
	StatusProtected    Status = "protected"     // AutoCleanup is off: nothing automatic happens to it
)

// Selections of sessions by their warnings, for a Query and ListOptions in place of a status. Such sessions are StatusInactive.
const (
	SelectToWarn  Status = "to_warn" // ActionNoticed is due: their owners are not warned yet
	SelectWaiting Status = "waiting" // due for deletion, but for a warning that was not delivered, or not long enough ago
)

// Selections lists what a list of sessions can be limited to: every status, and the selections by warnings.
func Selections() []Status { return append(Statuses(), SelectToWarn, SelectWaiting) }

// Statuses lists every status, in the order of a session's life.
func Statuses() []Status {
	return []Status{StatusActive, StatusToDeactivate, StatusInactive, StatusToDelete, StatusProtected}
}
