package adopt_test

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
)

func TestProposeUnderstandsApplications(t *testing.T) {
	t.Parallel()
	run(t, map[string]shape{
		"the guide's": {
			tables: []adopt.Table{
				table("users", "id text key", "display_name text"),
				table("sessions", "id number key", "code text unique", "name text", "streamer_id text users", "active boolean", "created_at time", "updated_at time"),
				table("propositions", "id number key", "session_id number sessions", "viewer_id text users", "url text", "created_at time"),
				table("playlist_tracks", "id number key", "proposition_id number propositions", "title text"),
			},
			want: schema{
				Table: "sessions", Owner: "streamer_id", Name: "name", Code: "code", CreatedAt: "created_at", UpdatedAt: "updated_at",
				Owners:  &owners{Table: "users", ID: "id", Name: "display_name"},
				Sources: []source{{Table: "propositions", Session: "session_id", At: "created_at"}},
			},
		},
		"one with every lifecycle column, under other names": {
			tables: []adopt.Table{table("sessions", "id number key", "is_active boolean", "last_seen_at time", "valid_until time", "autoCleanup boolean")},
			want:   schema{Table: "sessions", Active: "is_active", LastActivity: "last_seen_at", ExpiresAt: "valid_until", AutoCleanup: "autoCleanup"},
		},
		"Django's own sessions": {
			tables: []adopt.Table{
				table("auth_user", "id number key", "username text", "email text"),
				table("django_session", "session_key text key", "session_data text", "expire_date time"),
			},
			want: schema{Table: "django_session", ID: "session_key", ExpiresAt: "expire_date"},
		},
		"a Django application": {
			tables: []adopt.Table{
				table("auth_user", "id number key", "password text", "username text", "first_name text", "email text"),
				table("live_session", "id number key", "title text", "slug text", "created_by_id number auth_user.id", "category_id number live_category.id", "created time", "modified time", "is_active boolean"),
				table("live_category", "id number key", "name text"),
				table("live_message", "id number key", "session_id number live_session.id", "body text", "timestamp time"),
			},
			want: schema{
				Table: "live_session", Owner: "created_by_id", Name: "title", Code: "slug", CreatedAt: "created", UpdatedAt: "modified", Active: "is_active",
				Owners:  &owners{Table: "auth_user", ID: "id", Name: "username", Mail: "email"},
				Sources: []source{{Table: "live_message", Session: "session_id", At: "timestamp"}},
			},
		},
		"Rails' own sessions": {
			tables: []adopt.Table{table("sessions", "id number key", "session_id text unique", "data text", "created_at time", "updated_at time")},
			want:   schema{Table: "sessions", CreatedAt: "created_at", UpdatedAt: "updated_at"},
		},
		"Laravel's own sessions, which keep times as numbers": {
			tables: []adopt.Table{
				table("users", "id number key", "name text", "email text"),
				table("sessions", "id text key", "user_id number", "ip_address text", "user_agent text", "payload text", "last_activity number"),
			},
			want:     schema{Table: "sessions", Owner: "user_id"},
			warnings: []string{`schema.last_activity is "last_activity": that column of table "sessions" is of type number, want a time: name another column`},
		},
		"Laravel's own sessions, where any column may hold a time": {
			tables:   []adopt.Table{table("sessions", "id any key", "user_id any", "payload any", "last_activity any")},
			foldCase: true,
			want:     schema{Table: "sessions", Owner: "user_id", LastActivity: "last_activity"},
		},
		"SCS": {
			tables: []adopt.Table{table("sessions", "token text key", "data uuid", "expiry time")},
			want:   schema{Table: "sessions", ID: "token", ExpiresAt: "expiry"},
		},
		"connect-pg-simple": {
			tables: []adopt.Table{table("session", "sid text key", "sess json", "expire time")},
			want:   schema{Table: "session", ID: "sid", ExpiresAt: "expire"},
		},
		"NextAuth with Prisma": {
			tables: []adopt.Table{
				table("User", "id text key", "name text", "email text"),
				table("Session", "id text key", "sessionToken text unique", "userId text User.id", "expires time"),
				table("Account", "id text key", "userId text User.id"),
			},
			want: schema{Table: "Session", Owner: "userId", ExpiresAt: "expires", Owners: &owners{Table: "User", ID: "id", Name: "name", Mail: "email"}},
		},
		"Symfony": {
			tables: []adopt.Table{table("sessions", "sess_id text key", "sess_data uuid", "sess_lifetime number", "sess_time number")},
			want:   schema{Table: "sessions", ID: "sess_id"},
		},
		"Phoenix": {
			tables: []adopt.Table{
				table("users", "id uuid key", "email text"),
				table("sessions", "id uuid key", "user_id uuid users.id", "status text", "inserted_at time", "updated_at time"),
			},
			want: schema{Table: "sessions", Owner: "user_id", CreatedAt: "inserted_at", UpdatedAt: "updated_at"},
		},
		"rooms": {
			tables: []adopt.Table{
				table("people", "login text key", "display_name text"),
				table("rooms", "room_id uuid key", "owner text people.login", "title text", "slug text", "is_active boolean", "status text", "created_at time", "expires time"),
				table("messages", "id number key", "room uuid rooms.room_id", "sent_at time"),
				table("flags", "id number key", "active boolean"),
			},
			want: schema{
				Table: "rooms", ID: "room_id", Owner: "owner", Name: "title", Code: "slug", CreatedAt: "created_at", Active: "is_active", ExpiresAt: "expires",
				Owners:  &owners{Table: "people", ID: "login", Name: "display_name"},
				Sources: []source{{Table: "messages", Session: "room", At: "sent_at"}},
			},
		},
		"polls": {
			tables: []adopt.Table{
				table("accounts", "id number key", "full_name text"),
				table("polls", "id number key", "author_id number accounts", "topic text", "join_code text", "active boolean", "started_at time"),
				table("options", "id number key", "poll_id number polls", "label text"),
				table("votes", "poll_id number key polls", "option_id number key options", "at time"),
			},
			want: schema{
				Table: "polls", Owner: "author_id", Name: "topic", Code: "join_code", CreatedAt: "started_at",
				Owners:  &owners{Table: "accounts", ID: "id", Name: "full_name"},
				Sources: []source{{Table: "options", Session: "poll_id"}, {Table: "votes", Session: "poll_id", At: "at"}},
			},
		},
		"carts, named": {
			tables: []adopt.Table{
				table("customers", "id number key", "name text"),
				table("currencies", "code text key", "name text"),
				table("carts", "id uuid key", "currency text currencies", "customer_id number customers", "created_at time", "updated_at time"),
				table("cart_items", "id number key", "cart_id uuid", "added_at time"),
			},
			named: "carts",
			want: schema{
				Table: "carts", Owner: "customer_id", CreatedAt: "created_at", UpdatedAt: "updated_at",
				Owners:  &owners{Table: "customers", ID: "id", Name: "name"},
				Sources: []source{{Table: "cart_items", Session: "cart_id", At: "added_at"}},
			},
		},
		"one in camel case": {
			tables: []adopt.Table{
				table("Users", "id number key", "displayName text"),
				table("Sessions", "id number key", "hostId number Users", "joinCode text", "createdAt time", "updatedAt time", "isActive boolean", "lastActivity time", "expiresAt time"),
				table("Messages", "id number key", "sessionId number", "sentAt time"),
			},
			want: schema{
				Table: "Sessions", Owner: "hostId", Code: "joinCode", CreatedAt: "createdAt", UpdatedAt: "updatedAt",
				Active: "isActive", LastActivity: "lastActivity", ExpiresAt: "expiresAt",
				Owners:  &owners{Table: "Users", ID: "id", Name: "displayName"},
				Sources: []source{{Table: "Messages", Session: "sessionId", At: "sentAt"}},
			},
		},
		"one that spells names differently each time, in a database that does not mind": {
			tables: []adopt.Table{
				table("USERS", "ID any key", "Login any"),
				table("Sessions", "Id any key", "Owner_Id any users.id", "CREATED_AT any"),
				table("votes", "Of any SESSIONS.ID", "AT any"),
			},
			foldCase: true,
			want: schema{
				Table: "Sessions", ID: "Id", Owner: "Owner_Id", CreatedAt: "CREATED_AT",
				Owners:  &owners{Table: "USERS", ID: "ID", Name: "Login"},
				Sources: []source{{Table: "votes", Session: "Of", At: "AT"}},
			},
		},
		"login tokens that say when they were seen": {
			tables: []adopt.Table{table("user_auth_tokens", "id number key", "user_id number", "rotated_at time", "created_at time", "updated_at time", "seen_at time"),
				table("users", "id number key", "username text")},
			named: "user_auth_tokens",
			want:  schema{Table: "user_auth_tokens", Owner: "user_id", CreatedAt: "created_at", UpdatedAt: "updated_at", LastActivity: "seen_at"},
		},
		"logins with times of other names": {
			tables:   []adopt.Table{table("sessions", "id uuid key", "user_id uuid", "created_at time", "updated_at time", "not_after time", "refreshed_at time", "mfa_at time")},
			want:     schema{Table: "sessions", Owner: "user_id", CreatedAt: "created_at", UpdatedAt: "updated_at", ExpiresAt: "not_after"},
			warnings: []string{`the times in "refreshed_at" and "mfa_at" of table "sessions" are not used: if one of them says when a session was last used, or ends, name it in a schema, with last_activity or expires_at`},
		},
		"reserved words": {
			tables: []adopt.Table{
				table("user", "id number key", "name text"),
				table("sessions", "id number key", "user number user.id", "order number", "group text", "end time", "createdAt time", "Ünïcode text"),
				table("order", "id number key", "table number sessions.id", "when time"),
			},
			want: schema{
				Table: "sessions", Owner: "user", CreatedAt: "createdAt",
				Owners:  &owners{Table: "user", ID: "id", Name: "name"},
				Sources: []source{{Table: "order", Session: "table", At: "when"}},
			},
			warnings: []string{`the times in "end" of table "sessions" are not used: if one of them says when a session was last used, or ends, name it in a schema, with last_activity or expires_at`},
		},
		"tables with their database schema": {
			tables: []adopt.Table{
				table("live.people", "login text key", "display_name text"),
				table("live.sessions", "id uuid key", "owner text people"),
				table("live.messages", "session uuid sessions", "sent_at time"),
			},
			want: schema{
				Table: "live.sessions", Owner: "owner", Owners: &owners{Table: "live.people", ID: "login", Name: "display_name"},
				Sources: []source{{Table: "live.messages", Session: "session", At: "sent_at"}},
			},
		},
		"a partitioned table, whose id is not unique by itself": {
			tables: []adopt.Table{
				partitioned(table("sessions", "created_at time key", "id number key", "owner_id number", "name text")),
				partitioned(table("votes", "session_id number", "at time")),
			},
			want: schema{
				Table: "sessions", Owner: "owner_id", Name: "name", CreatedAt: "created_at",
				Sources: []source{{Table: "votes", Session: "session_id", At: "at"}},
			},
		},
		"a partitioned table without a column id": {
			tables: []adopt.Table{partitioned(table("sessions", "nr number key", "created_at time key"))},
			want:   schema{Table: "sessions", ID: "nr", CreatedAt: "created_at"},
		},
		"a unique id beside a primary key of two columns": {
			tables: []adopt.Table{table("sessions", "tenant number key", "nr number key", "id uuid unique")},
			want:   schema{Table: "sessions"},
		},
		"none": {
			tables: []adopt.Table{table("users", "id number key"), table("flags", "id number key", "active boolean")},
			want:   sessioncleanup.OwnSchema(),
		},
	})
}
