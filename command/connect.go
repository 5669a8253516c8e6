package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgurl"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
	"github.com/sessioncleanup/sessioncleanup/store"
)

const (
	envDatabase = "DATABASE_URL"
	envName     = "SESSION_NAME"
)

// How long cleanup and serve try to connect, and the pause between two tries.
const (
	connectPatience = 15 * time.Second
	connectAgain    = 500 * time.Millisecond
)

// databaseURL is the URL in the flag or the environment.
func (a *app) databaseURL() string {
	return pgurl.WithSocket(cmp.Or(a.database, a.getenv(envDatabase)))
}

// installation is the name in the flag or the environment.
func (a *app) installation() string { return cmp.Or(a.name, a.getenv(envName)) }

// open opens the database that the flag or the environment names. The configuration's Schema is that of --schema; its
// Logger is one for warnings unless it is set.
func (a *app) open(ctx context.Context, c store.Config) (sessioncleanup.Store, error) {
	address := a.databaseURL()
	if address == "" {
		return nil, usagef("no database: set --database or %s, for example --database sqlite:app.db", envDatabase)
	}
	if err := checkURL(address); err != nil {
		return nil, err
	}
	var err error
	if c.Schema, err = a.schema(); err != nil {
		return nil, err
	}
	c.TrustOwner, c.Name = a.trustOwner, a.installation()
	if c.Logger == nil {
		c.Logger = a.warnings()
	}
	return store.OpenWith(ctx, address, c)
}

// patiently tries to open the database again while it is down, as it may be for a moment when it is restarted.
func (a *app) patiently(ctx context.Context, patience time.Duration, open func() (sessioncleanup.Store, error)) (sessioncleanup.Store, error) {
	for deadline, said := time.Now().Add(patience), false; ; said = true {
		db, err := open()
		if !errors.Is(err, sessioncleanup.ErrUnavailable) || !time.Now().Before(deadline) {
			return db, err
		}
		if !said {
			a.warnings().WarnContext(ctx, "the database is unavailable; retrying for up to "+patience.String(), "error", err)
		}
		if wait.For(ctx, connectAgain) != nil {
			return nil, err
		}
	}
}

// openExisting is open for verbs that must not create a database after a typing error: SQLite creates a missing file.
func (a *app) openExisting(ctx context.Context, c store.Config) (sessioncleanup.Store, error) {
	if path, ok := strings.CutPrefix(a.databaseURL(), "sqlite:"); ok {
		path, _, _ = strings.Cut(strings.TrimPrefix(path, "//"), "?")
		if _, err := os.Stat(path); path != "" && errors.Is(err, fs.ErrNotExist) {
			return nil, usagef("there is no file %q; sessioncleanup migrate creates it", path)
		}
	}
	return a.open(ctx, c)
}

// checkURL refuses URLs that would be misread. The error quotes nothing of the URL: a part of the password may look like
// the host or the port.
func checkURL(address string) error {
	scheme, rest, _ := strings.Cut(address, ":")
	if !strings.HasPrefix(strings.ToLower(scheme), "postgres") {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || u.User == nil && strings.Contains(rest, "@") {
		return usagef("the database URL cannot be parsed: want %s, with special characters of the password percent-encoded",
			"postgres://USER:PASSWORD@HOST:PORT/DATABASE")
	}
	return nil
}

// schema reads the file of --schema, or has the table of --table. Without either it is the zero Schema, which means the
// schema that migrate adopted.
func (a *app) schema() (sessioncleanup.Schema, error) {
	if a.schemaFile == "" {
		schema := sessioncleanup.Schema{Table: a.tableName}
		if err := schema.Validate(); err != nil {
			return schema, usagef("--table: %w", err)
		}
		return schema, nil
	}
	if a.tableName != "" {
		return sessioncleanup.Schema{}, usagef("--table and --schema are both given: want one")
	}
	file, err := os.Open(a.schemaFile)
	if err != nil {
		return sessioncleanup.Schema{}, usagef("--schema: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	schema, err := sessioncleanup.ReadSchema(file)
	if err != nil {
		return schema, usagef("--schema %s: %w", a.schemaFile, err)
	}
	return schema, nil
}

// connection is what most verbs work with: a Manager and the store below it.
type connection struct {
	*sessioncleanup.Manager                         // acts for the user of the command
	system                  *sessioncleanup.Manager // acts for the service itself
	store                   sessioncleanup.Store
	name                    string                // of the installation
	config                  sessioncleanup.Config // of these Managers
}

// work is what a verb does with an open database.
type work func(ctx context.Context, db connection, args []string) error

// with turns work into the RunE of a verb.
func (a *app) with(do work) func(*cobra.Command, []string) error { return a.withPatience(0, do) }

// withPatience is with for verbs that run unattended: it retries while the database is down.
func (a *app) withPatience(patience time.Duration, do work) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		env, err := a.policy()
		if err != nil {
			return err
		}
		opened, err := a.patiently(ctx, patience, func() (sessioncleanup.Store, error) { return a.openExisting(ctx, store.Config{}) })
		if err != nil {
			return err
		}
		defer func() { _ = opened.Close() }() // nothing is left to write
		config, err := a.config(ctx, opened, env)
		if err != nil {
			return err
		}
		m, err := sessioncleanup.New(opened, config)
		if err != nil {
			return err
		}
		if reason := cmd.Flags().Lookup(reasonFlag); reason != nil {
			m = m.Because(reason.Value.String())
		}
		err = do(ctx, connection{Manager: m.As(a.operator()), system: m, store: opened, name: a.installation(), config: config}, args)
		if errors.Is(err, sessioncleanup.ErrNotInstalled) {
			a.complainOfName(ctx, opened)
		}
		return err
	}
}

// config is that of Managers over an open store. Fields that the policy leaves open come from the one stored in the database.
func (a *app) config(ctx context.Context, db sessioncleanup.Store, policy sessioncleanup.Policy) (sessioncleanup.Config, error) {
	stored, err := storedPolicy(ctx, db)
	if err != nil {
		return sessioncleanup.Config{}, err
	}
	a.warnAboutStored(policy, stored)
	ignoreClock, err := a.trustsClock()
	if err != nil {
		return sessioncleanup.Config{}, err
	}
	if err := a.checkArchive(policy.Or(stored)); err != nil {
		return sessioncleanup.Config{}, err
	}
	return sessioncleanup.Config{Policy: policy, Stored: &stored, Logger: a.logger(), IgnoreClock: ignoreClock, Backups: a.backups}, nil
}

// storedPolicy is the policy that migrate stored in the database; zero where there is none.
func storedPolicy(ctx context.Context, db sessioncleanup.Store) (sessioncleanup.Policy, error) {
	installer, ok := sessioncleanup.InstallerOf(db)
	if !ok {
		return sessioncleanup.Policy{}, nil
	}
	limited, cancel := context.WithTimeout(ctx, connectPatience)
	defer cancel()
	stored, err := installer.Policy(limited)
	switch {
	case errors.Is(err, sessioncleanup.ErrNotInstalled):
		return sessioncleanup.Policy{}, nil
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		err = fmt.Errorf("%w: no answer within %v", sessioncleanup.ErrUnavailable, connectPatience)
	}
	return stored, err
}

// operator is the user of the command, as events name them.
func (a *app) operator() sessioncleanup.Principal {
	for _, name := range []string{"SUDO_USER", "USER", "LOGNAME"} {
		if user := a.getenv(name); user != "" {
			return sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin, ID: user}
		}
	}
	return sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin}
}

// logger logs every action to standard error with --verbose; nil without.
func (a *app) logger() *slog.Logger {
	if !a.verbose {
		return nil
	}
	return a.logTo(slog.LevelDebug)
}

// warnings logs a store's warnings to standard error; everything with --verbose.
func (a *app) warnings() *slog.Logger {
	if a.verbose {
		return a.logTo(slog.LevelDebug)
	}
	return a.plainLog(slog.LevelWarn)
}

// logsJSON reports whether lines of the log are JSON.
func (a *app) logsJSON() bool { return a.logFormat == logJSON || a.logFormat == "" && a.json }

func (a *app) logTo(level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if a.logsJSON() {
		return slog.New(slog.NewJSONHandler(escaper{a.err}, options))
	}
	return slog.New(slog.NewTextHandler(a.err, options))
}
