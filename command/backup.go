package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/backup"
	"github.com/sessioncleanup/sessioncleanup/backup/s3"
)

// addBackup adds the flag to a verb that writes or reads backups.
func (a *app) addBackup(flags *pflag.FlagSet) {
	flags.StringVar(&a.backupTo, "backup", "", "`URL` of the backups of the archive: file:///PATH, s3://BUCKET/PREFIX or "+sessioncleanup.NoBackup+
		" (default $"+sessioncleanup.EnvBackup+")")
}

// backupAddress is the URL in the flag or the environment; empty without one.
func (a *app) backupAddress() string {
	address := cmp.Or(a.backupTo, a.getenv(sessioncleanup.EnvBackup))
	if address == sessioncleanup.NoBackup {
		return ""
	}
	return address
}

// openBackups opens the place for backups that the flag or the environment names, if any, so that runs write them.
func (a *app) openBackups() (err error) {
	if address := a.backupAddress(); address != "" {
		a.backups, err = a.backupPlace(address)
	}
	return err
}

// backupPlace is the place of the installation's backups: a folder of its own, where it has a name.
func (a *app) backupPlace(address string) (sessioncleanup.Backups, error) {
	u, err := url.Parse(address)
	if err != nil || a.installation() == "" {
		return backupsAt(address, false)
	}
	return backupsAt(u.JoinPath(a.installation()).String(), true)
}

// ownDir is a directory that is made when it is used first. The one above it is not.
type ownDir struct {
	*backup.Dir
	path string
}

func (d ownDir) Put(ctx context.Context, name string, r io.Reader) error {
	_ = os.Mkdir(d.path, 0o700) // it may be there; writing to it says what is wrong
	return d.Dir.Put(ctx, name, r)
}

func (d ownDir) List(ctx context.Context) ([]backup.File, error) {
	_ = os.Mkdir(d.path, 0o700) // as in Put
	return d.Dir.List(ctx)
}

// backupsAt are the files at a URL, in a directory that is made when it is the installation's own. Errors quote nothing of the URL: it
// may hold a password.
func backupsAt(address string, own bool) (sessioncleanup.Backups, error) {
	u, err := url.Parse(address)
	switch {
	case err == nil && u.Scheme == "file" && (u.Host == "" || u.Host == "localhost") && filepath.IsAbs(u.Path) && u.RawQuery == "" && u.Fragment == "":
		return backupsIn(u.Path, own)
	case err == nil && u.Scheme == "s3":
		bucket, err := s3.Open(address)
		return sessioncleanup.BackupsOf(backup.New(bucket)), err
	default:
		return nil, usagef("the URL of the backups (--backup or %s, or before the name of a file) cannot be read: want file:///PATH, s3://BUCKET/PREFIX or %s", sessioncleanup.EnvBackup, sessioncleanup.NoBackup)
	}
}

// backupsIn are the files in a directory.
func backupsIn(path string, own bool) (sessioncleanup.Backups, error) {
	dir, err := backup.NewDir(path)
	if own {
		return sessioncleanup.BackupsOf(backup.New(ownDir{dir, path})), err
	}
	return sessioncleanup.BackupsOf(backup.New(dir)), err
}

// checkArchive requires the archive for backups of it.
func (a *app) checkArchive(p sessioncleanup.Policy) error {
	if a.backups != nil && !p.Archive.Or(false) {
		return usagef("--backup needs the archive, of which it is a copy: set %s=true, or --archive for one cleanup", sessioncleanup.EnvArchive)
	}
	return nil
}

// needBackups are the files of the flag or the environment.
func (a *app) needBackups() (sessioncleanup.Backups, error) {
	address := a.backupAddress()
	if address == "" {
		return nil, usagef("no place for backups: set --backup or %s, for example --backup file:///var/backups/sessions", sessioncleanup.EnvBackup)
	}
	return a.backupPlace(address)
}

// backupFile finds a file by a URL, by its path or, with a place for backups, by its name there.
func (a *app) backupFile(word string) (files sessioncleanup.Backups, name string, err error) {
	cut := strings.LastIndex(word, "/")
	switch {
	case strings.Contains(word, "://"):
		files, err = backupsAt(word[:cut], false)
		return files, word[cut+1:], err
	case !strings.ContainsRune(word, filepath.Separator) && a.backupAddress() != "":
		files, err = a.needBackups()
		return files, word, err
	default:
		path := word
		if !filepath.IsAbs(path) {
			path = filepath.Join(a.dir, path)
		}
		files, err = backupsIn(filepath.Dir(path), false)
		return files, filepath.Base(path), err
	}
}

// warnAboutBackups says that backups cannot be reached, when they are set up.
func (a *app) warnAboutBackups(ctx context.Context) {
	if a.backups == nil {
		return
	}
	if _, err := a.backups.List(ctx); err != nil {
		a.complain("warning: the backups cannot be reached; until they can, nothing is purged: " + err.Error())
	}
}

func (a *app) backup() *cobra.Command {
	cmd := &cobra.Command{
		Use:        "backup",
		SuggestFor: []string{"backups", "export"},
		Short:      "Copy the archive to files, list and verify them",
		Long: `backup works with copies of the archive in a directory or an S3-compatible bucket, which --backup or
` + sessioncleanup.EnvBackup + ` names. Every cleanup with --backup writes what was archived since the last one into a new file, reads the
file back, and purges only what is in a file. "restore --from FILE" restores from a file. Credentials for S3 come from the
environment, as for other tools: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role. AWS_ENDPOINT_URL names
a server other than Amazon's.`,
		Args: knownVerb,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.backUp(), a.listBackups(), a.verifyBackups())
	a.addBackup(cmd.PersistentFlags())
	return cmd
}

func (a *app) backUp() *cobra.Command {
	return &cobra.Command{
		Use:   "now",
		Short: "Copy archived sessions that are in no file yet to a new file",
		Long: `now does what every cleanup with --backup does at its end. On PostgreSQL only the owner of the tables may run it: use it
when cleanups run as another role.`,
		Example: `  sessioncleanup backup now --backup file:///var/backups/sessions`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if a.backups, err = a.needBackups(); err != nil {
				return err
			}
			return a.with(func(ctx context.Context, db connection, _ []string) error {
				result, err := db.BackUp(ctx)
				if a.json {
					return errors.Join(err, a.printJSON(result))
				}
				if result.Entries == 0 {
					if err == nil {
						err = a.say("Everything in the archive is backed up.\n")
					}
					return err
				}
				return errors.Join(err, a.print(backedUpText(result)))
			})(cmd, args)
		},
	}
}

func (a *app) listBackups() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the backup files, the oldest first",
		Long:    `list prints the names of the files, when the archive was copied to them, and their sizes.`,
		Example: `  sessioncleanup backup list --backup s3://my-bucket/sessions`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			files, err := a.needBackups()
			if err != nil {
				return err
			}
			all, err := files.List(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(map[string][]sessioncleanup.BackupFile{"files": append([]sessioncleanup.BackupFile{}, all...)})
			}
			if len(all) == 0 {
				return a.say("There are no backups.\n")
			}
			rows := [][]cell{header("FILE", "TIME", "SIZE")}
			rows[0][2].right = true
			for _, f := range all {
				rows = append(rows, []cell{text(f.Name), text(moment(f.At)), {text: humanize.IBytes(uint64(max(f.Size, 0))), right: true}}) //nolint:gosec // not negative
			}
			return a.print(a.table(rows))
		},
	}
}

func (a *app) verifyBackups() *cobra.Command {
	return &cobra.Command{
		Use:   "verify [FILE...]",
		Short: "Check that backup files are intact",
		Long: `verify reads the named files, or all that backup list prints, and compares them with their checksums. It exits with 1 when
a file is damaged. FILE is a path, file:///PATH/FILE, s3://BUCKET/PREFIX/FILE, or the name of a file in --backup.`,
		Example: `  sessioncleanup backup verify --backup s3://my-bucket/sessions
  sessioncleanup backup verify ./sessioncleanup-20260301T030000Z-ABC-001.jsonl.zst`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.verifyFiles(cmd.Context(), args) },
	}
}

// verified is what verify found out about a file.
type verified struct {
	sessioncleanup.BackupFile
	Error string `json:"error,omitempty"`
}

func (a *app) verifyFiles(ctx context.Context, words []string) error {
	find := a.backupFile
	if len(words) == 0 {
		files, err := a.needBackups()
		if err != nil {
			return err
		}
		all, err := files.List(ctx)
		if err != nil {
			return err
		}
		for _, f := range all {
			words = append(words, f.Name)
		}
		find = func(name string) (sessioncleanup.Backups, string, error) { return files, name, nil } // one that hangs is waited for once
	}
	results := []verified{}
	bad := 0
	for _, word := range words {
		files, name, err := find(word)
		if err != nil {
			return err
		}
		v := verified{BackupFile: sessioncleanup.BackupFile{Name: word}}
		found, err := files.Read(ctx, name, func(sessioncleanup.ArchivedCopy) error { return nil })
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			bad++
			v.Error = err.Error()
		default:
			found.Name, v.BackupFile = word, found
		}
		results = append(results, v)
	}
	if err := a.reportVerified(results); err != nil || bad == 0 {
		return err
	}
	return fmt.Errorf("%s of %d cannot be used", counted(bad, "backup file", "backup files"), len(words))
}

func (a *app) reportVerified(results []verified) error {
	if a.json {
		return a.printJSON(map[string][]verified{"files": results})
	}
	if len(results) == 0 {
		return a.say("There are no backups.\n")
	}
	rows := [][]cell{header("FILE", "SESSIONS", "ROWS", "RESULT")}
	rows[0][1].right, rows[0][2].right = true, true
	for _, v := range results {
		outcome := text("ok").in(green)
		if v.Error != "" {
			outcome = text(v.Error).in(red)
		}
		rows = append(rows, []cell{text(v.Name), figure(v.Entries), figure(v.Rows), outcome})
	}
	return a.print(a.table(rows))
}

// restoreFrom restores from a backup file.
func (a *app) restoreFrom(ctx context.Context, db connection, word string, o sessioncleanup.BackupRestore) error {
	files, name, err := a.backupFile(word)
	if err != nil {
		return err
	}
	restored, err := db.RestoreBackup(ctx, files, name, o)
	if errors.Is(err, fs.ErrNotExist) {
		return usagef("--from: %w", err)
	}
	return a.reportRestored(restored, o.DryRun, err)
}
