package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/keeplink"
	"github.com/sessioncleanup/sessioncleanup/notify"
	"github.com/sessioncleanup/sessioncleanup/store"
)

// A database may have several installations, one for each table of sessions. Most verbs work on one, that of --name;
// serve works on all of them.

// installations lists those in the database of a store.
func installations(ctx context.Context, db sessioncleanup.Store) ([]sessioncleanup.Installation, error) {
	lister, ok := sessioncleanup.StoreAs[sessioncleanup.InstallationLister](db)
	if !ok {
		return nil, nil
	}
	return lister.Installations(ctx)
}

// installationWords names installations for people; empty when there is only that with the name.
func installationWords(all []sessioncleanup.Installation, name string) string {
	words := []string{}
	others := false
	for _, i := range all {
		how := "without a name"
		if i.Name != "" {
			how = "--name " + i.Name
		}
		words = append(words, fmt.Sprintf("%s (%s)", i.Table, how))
		others = others || i.Name != name
	}
	if !others {
		return ""
	}
	return joinWords(words)
}

// sayInstallations says what else is installed in a database to a user who works on one of several installations.
func (a *app) sayInstallations(ctx context.Context, db sessioncleanup.Store) error {
	all, err := installations(ctx, db)
	if err != nil {
		return err
	}
	if words := installationWords(all, a.installation()); words != "" {
		a.plainLog(slog.LevelInfo).InfoContext(ctx, "the database has several tables of sessions: "+words)
	}
	return nil
}

// complainOfName says what else is installed, when nothing is under the name.
func (a *app) complainOfName(ctx context.Context, db sessioncleanup.Store) {
	if all, err := installations(ctx, db); err == nil && len(all) > 0 {
		if words := installationWords(all, a.installation()); words != "" {
			a.complain("the database has " + words)
		}
	}
}

// below is the path of the API of the installation that serve has at an index, from the prefix of all.
func (s served) below(i int) string {
	if i == 0 {
		return ""
	}
	return "/tables/" + s.name
}

// served is an installation that serve works on.
type served struct {
	name, table string
	m           *sessioncleanup.Manager
	store       sessioncleanup.Store
	log         *slog.Logger
	links       *keeplink.Links // for its owners; nil: none
	opened      bool            // by allServed
}

func (s served) close() {
	if s.opened {
		_ = s.store.Close() // nothing is left to write
	}
}

// service is what messages call the application: with the name of the installation, if it has one.
func (s served) service(given string) string {
	if s.name == "" {
		return given
	}
	if given == "" {
		given, _ = os.Hostname()
	}
	return strings.TrimSpace(given + " (" + s.name + ")")
}

// operators tells operators about the installation.
func (s served) operators(o *notify.Operators) *notify.Operators {
	own := *o
	own.Service, own.Manager, own.Store, own.Logger = s.service(o.Service), s.m, s.store, s.log
	return &own
}

// owners warns the owners of the installation's sessions.
func (s served) owners(o *notify.Owners) *notify.Owners {
	own := *o
	own.Service, own.Manager, own.Store, own.Logger, own.Links = s.service(o.Service), s.m, s.store, s.log, s.links
	return &own
}

// allServed validates the installation of --name or, without one, all that are in the database of db, and returns them with
// Managers that log.
func (a *app) allServed(ctx context.Context, db connection, log *slog.Logger) (all []served, err error) {
	found, err := installations(ctx, db.store)
	if err != nil {
		return nil, err
	}
	if a.installation() != "" || len(found) == 0 { // without any, Validate says so
		found = slices.DeleteFunc(found, func(i sessioncleanup.Installation) bool { return i.Name != a.installation() })
		if len(found) == 0 {
			found = []sessioncleanup.Installation{{Name: a.installation()}}
		}
	}
	if len(found) > 1 && (a.tableName != "" || a.schemaFile != "") {
		return nil, usagef("--table and --schema describe one table, but the database has %s: say which with --name, or leave them out", installationWords(found, "-"))
	}
	for _, i := range found {
		s, err := a.serveOne(ctx, db, i, len(found) > 1, log)
		if s.store != nil {
			all = append(all, s)
		}
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

func (a *app) serveOne(ctx context.Context, db connection, i sessioncleanup.Installation, others bool, log *slog.Logger) (served, error) {
	s := served{name: i.Name, table: i.Table, store: db.store, log: log}
	if others {
		s.log = log.With("name", i.Name)
	}
	own, config := *a, db.config
	if own.name = i.Name; i.Name != a.installation() {
		var err error
		if s, config, err = own.openOther(ctx, s); err != nil {
			return s, err
		}
	}
	if installer, ok := sessioncleanup.InstallerOf(s.store); ok {
		if err := installer.Validate(ctx); err != nil {
			return s, err
		}
	}
	config.Logger = s.log
	var err error
	s.m, err = sessioncleanup.New(s.store, config)
	return s, err
}

// openOther opens a store and the place for backups of an installation beside that which is open already.
func (a *app) openOther(ctx context.Context, s served) (served, sessioncleanup.Config, error) {
	s.store = nil
	if err := a.openBackups(); err != nil {
		return s, sessioncleanup.Config{}, err
	}
	policy, err := a.policy()
	if err != nil {
		return s, sessioncleanup.Config{}, err
	}
	if s.store, err = a.openExisting(ctx, store.Config{}); err != nil {
		return s, sessioncleanup.Config{}, err
	}
	s.opened = true
	config, err := a.config(ctx, s.store, policy)
	return s, config, err
}

// forEach works on installations side by side, until ctx ends or the work on one of them fails. One whose cleanup is disabled
// does not end the others.
func forEach(ctx context.Context, all []served, work func(context.Context, served) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ends := make(chan error)
	for _, s := range all {
		go func() {
			err := work(ctx, s)
			if errors.Is(err, sessioncleanup.ErrDisabled) && len(all) > 1 {
				s.log.WarnContext(ctx, "no scheduled cleanup: cleanup is disabled", "by", sessioncleanup.EnvEnabled+" or the stored policy")
			}
			ends <- err
		}()
	}
	var first error
	for range all {
		err := <-ends
		if first == nil || errors.Is(first, sessioncleanup.ErrDisabled) {
			first = err
		}
		if !errors.Is(err, sessioncleanup.ErrDisabled) {
			stop(err)
		}
	}
	return first
}
