package adopt

import (
	"slices"
	"strings"
)

// The names to look for, the most likely first. They are compared without regard to case and underscores, so that
// "created_at" also finds "createdAt" and "CreatedAt".
var (
	ownerNames = []string{
		"owner_id", "owner", "streamer_id", "host_id", "creator_id", "user_id", "author_id", "account_id", "member_id",
		"customer_id", "created_by_id", "created_by", "user",
	}
	nameNames         = []string{"name", "title", "label", "display_name", "subject", "topic"}
	codeNames         = []string{"code", "slug", "join_code", "invite_code", "access_code", "session_code", "short_code"}
	createdNames      = []string{"created_at", "created", "created_on", "inserted_at", "creation_date", "date_created", "started_at", "timestamp"}
	updatedNames      = []string{"updated_at", "updated", "updated_on", "modified_at", "modified", "date_updated"}
	activeNames       = []string{"active", "is_active"}
	stateNames        = []string{"state", "status"}
	deletedNames      = []string{"deleted_at", "removed_at", "date_deleted"}
	lastActivityNames = []string{
		"last_activity", "last_activity_at", "last_active_at", "last_active", "last_seen_at", "last_seen", "last_used_at",
		"last_used", "last_accessed_at", "last_accessed", "last_access_at", "last_access", "accessed_at", "seen_at",
	}
	expiresNames = []string{
		"expires_at", "expires", "expiry", "expire_at", "expire", "expire_date", "valid_until", "expires_on", "expiry_date",
		"expiration", "expiration_date", "not_after",
	}
	autoCleanupNames = []string{"auto_cleanup"}

	mailNames     = []string{"email", "email_address", "mail", "mail_address", "e_mail", "contact_email", "user_email"}
	languageNames = []string{"language", "locale", "lang", "preferred_language", "preferred_locale", "language_code"}
	zoneNames     = []string{"time_zone", "timezone", "tz", "zone_info", "time_zone_name"}

	// The values of a column of one of the stateNames, the most likely to be written first, without underscores.
	activeWords   = []string{"active", "open", "opened", "live", "running", "started", "ongoing", "inprogress", "enabled", "waiting", "pending", "new", "created"}
	inactiveWords = []string{
		"inactive", "closed", "ended", "finished", "done", "completed", "stopped", "expired", "abandoned", "disabled", "terminated", "archived",
		"cancelled", "canceled",
	}

	// When a row of an activity table was made.
	activityTimeNames = []string{
		"created_at", "created", "created_on", "inserted_at", "creation_date", "date_created", "added_at", "posted_at",
		"sent_at", "occurred_at", "timestamp", "at",
	}

	// An owner's display name. Only people have the personal ones. Mail addresses are left out: names are shown to others.
	displayNames  = slices.Concat([]string{"display_name", "name"}, personalNames, []string{"title"})
	personalNames = []string{"full_name", "username", "user_name", "nickname", "handle", "login"}
	// Tables of people, in the singular.
	peopleTables = []string{"user", "account", "person", "people", "member", "customer", "player", "profile"}
)

// first returns the first of some names that a column of a fitting kind has, as the table spells it; empty without one.
// Every kind fits when kind is zero. Columns that are taken are left out.
func (t *Table) first(names []string, kind Kind, taken ...string) string {
	for _, name := range names {
		for _, same := range []func(a, b string) bool{equal, similar} {
			for _, c := range t.Columns {
				if same(c.Name, name) && (kind == 0 || c.Kind&kind != 0) && !slices.Contains(taken, c.Name) {
					return c.Name
				}
			}
		}
	}
	return ""
}

func equal(a, b string) bool { return a == b }

func similar(a, b string) bool { return simple(a) == simple(b) }

func simple(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

// singular is the name of one row of a table: "session" for "sessions", "party" for "parties".
func singular(table string) string {
	if stem, ok := strings.CutSuffix(strings.ToLower(table), "ies"); ok {
		return stem + "y"
	}
	return strings.TrimSuffix(strings.ToLower(table), "s")
}
