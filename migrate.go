package sessioncleanup

// MigrateOptions says how a backend adopts a table where the table alone does not tell. With the zero value, Migrate
// refuses what is doubtful. Backends have it as a field of their Config. Migrate stores what it decided, so later calls
// need no options.
type MigrateOptions struct {
	// TimeZone is the IANA name of the zone of columns that hold times without a zone. Default: the database's own.
	TimeZone string
	// AcceptTimes adopts a table whose newest times are more than a year from now, in either direction. Default: false.
	AcceptTimes bool
	// Untracked says that the idle rules hold although nothing shows when sessions are used: see Schema.AppTouches.
	// Default: false.
	Untracked bool
	// Replace takes over functions, views and triggers of an earlier installation with the same names. They are kept, and
	// Uninstall restores them. Default: false.
	Replace bool
	// Reread reads the activity tables again and counts what they show of activity that no trigger noticed, for example rows
	// that were written while triggers were off, or on PostgreSQL by a subscription. Migrate does so by itself for a table of which
	// it makes a trigger again. A last activity only moves forward; where rows have no time, their sessions count as used
	// now. Default: false.
	Reread bool
	// View creates the views sessions_cleanup_view and sessions_archive_view on SQLite, where a view keeps other tools
	// from rebuilding the table, and on MariaDB, where a view fails once a column in it is gone; there
	// sessions_cleanup_stats, too. PostgreSQL always has them. Default: false.
	View bool
	// CleanerRole and AppRole are roles of the database that Migrate grants what they lack: CleanerRole to run cleanups,
	// AppRole to list, touch, change and delete single sessions with this library. A role that only writes its own tables
	// needs neither. Uninstall revokes what was granted on the application's tables. PostgreSQL only. Default: none.
	CleanerRole string
	AppRole     string
}
