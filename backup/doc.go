// Package backup keeps copies of archived sessions in files, in a directory or in S3-compatible storage, so that they can be
// restored after the archive has purged them or the database is lost.
//
//	dir, err := backup.NewDir("/var/backups/sessions")
//	…
//	sessions, err := sessioncleanup.New(store, sessioncleanup.Config{
//		Policy:  sessioncleanup.Policy{Archive: sessioncleanup.On},
//		Backups: backup.New(dir),
//	})
//
// Each run of that Manager then ends by writing the entries that were archived since the last one into a new file, reads
// the file back, and purges only entries that are in a file. Manager.RestoreBackup restores from one.
//
// A Sink is where files are kept: a Dir, a bucket of package backup/s3, or one of your own with three methods. The files
// are the same everywhere.
//
// # Files
//
// A file is JSON Lines, compressed with zstd; "zstd -d" and "jq" read it. Its name begins with the time of the run. It has
//   - a line {"header": …}: the version of the format, that of this library, the run, the schema, and the form of the rows;
//   - a line {"entry": …} for each session: the entry of the archive, an ArchivedCopy;
//   - a line {"trailer": …}: the number of entries and rows, and the SHA-256 of all lines before it.
//
// The checksum finds damage, not forgery: a person who may write to the files decides what is restored from them.
package backup
