package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
)

// scope stands in for a test where internal/pgtest wants one: what it makes goes when the scope ends.
type scope struct {
	testing.TB // has a method that nobody else may implement; none of it is called
	ctx        context.Context
	cleanups   []func()
	failures   []error
}

// broken ends a scope from within, as Fatal ends a test.
type broken struct{ err error }

// within does work in a scope and ends it.
func within(ctx context.Context, work func(s *scope) error) (err error) {
	s := &scope{ctx: ctx}
	defer func() {
		for len(s.cleanups) > 0 {
			last := s.cleanups[len(s.cleanups)-1]
			s.cleanups = s.cleanups[:len(s.cleanups)-1]
			last()
		}
		err = errors.Join(append(s.failures, err)...)
	}()
	defer func() {
		switch v := recover().(type) {
		case nil:
		case broken:
			err = v.err
		default:
			panic(v)
		}
	}()
	return work(s)
}

// Helper does nothing: there is no line of a test to report.
func (s *scope) Helper() {}

// Context is that of the whole run.
func (s *scope) Context() context.Context { return s.ctx }

// Cleanup has f called when the scope ends, the last one first.
func (s *scope) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

// Fatal ends the scope with an error.
func (s *scope) Fatal(args ...any) { panic(broken{errors.New(fmt.Sprint(args...))}) }

// Fatalf is Fatal with a format.
func (s *scope) Fatalf(format string, args ...any) { panic(broken{fmt.Errorf(format, args...)}) }

// Error notes an error and goes on.
func (s *scope) Error(args ...any) { s.failures = append(s.failures, errors.New(fmt.Sprint(args...))) }

// TempDir is a folder that goes with the scope.
func (s *scope) TempDir() string {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// durable are the settings of a server in production, where they cost something: a commit is on the disk. What would
// meet contenders at random is kept out: the run makes its checkpoints and vacuums itself, at the same points for all.
var durable = map[string]string{
	"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
	"shared_buffers": "512MB", "max_wal_size": "4GB", "checkpoint_timeout": "1h", "autovacuum": "off",
}

// postgresServer starts the server that all of a run's databases live in.
func postgresServer(s *scope) *pgtest.Server { return pgtest.Start(s, durable) }

// connect opens a pool that goes with the scope. Connections are made when they are needed.
func (s *scope) connect(url string, tracer pgx.QueryTracer) *pgxpool.Pool {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		s.Fatal(err)
	}
	config.MaxConns = 16
	config.ConnConfig.Tracer = tracer
	pool, err := pgxpool.NewWithConfig(s.ctx, config)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(pool.Close)
	return pool
}

// exec runs a statement that must succeed.
func (s *scope) exec(pool *pgxpool.Pool, sql string, args ...any) {
	if _, err := pool.Exec(s.ctx, sql, args...); err != nil {
		s.Fatalf("%.200s: %w", sql, err)
	}
}

// number reads one number.
func (s *scope) number(pool *pgxpool.Pool, sql string, args ...any) int64 {
	var n int64
	if err := pool.QueryRow(s.ctx, sql, args...).Scan(&n); err != nil {
		s.Fatalf("%.200s: %w", sql, err)
	}
	return n
}

// walPosition is how much the server has written to its log.
func (s *scope) walPosition(pool *pgxpool.Pool) int64 {
	return s.number(pool, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")
}

// templates makes databases once and copies them from then on.
type templates struct {
	server *pgtest.Server
	owner  *scope // lives as long as the server
	names  map[string]string
	load   loadTimes
}

func (b *bench) templates(s *scope) *templates {
	return &templates{server: b.server, owner: s, names: map[string]string{}, load: loadTimes{settle: b.period / 8, idle: b.period / 3}}
}

// copy gives the URL of a copy of the template with this key, which fill makes when it is asked for first.
func (t *templates) copy(s *scope, key string, fill func(s *scope, url string)) string {
	if t.names[key] == "" {
		url := t.server.Database(t.owner, "template0")
		if err := within(s.ctx, func(s *scope) error {
			fill(s, url)
			pool := s.connect(url, nil)
			s.exec(pool, "VACUUM ANALYZE")
			s.exec(pool, "CHECKPOINT")
			return nil
		}); err != nil {
			s.Fatal(err)
		}
		t.names[key] = databaseOf(url)
	}
	return t.server.Database(s, t.names[key])
}

// databaseOf is the name of the database that a URL leads to.
func databaseOf(url string) string {
	path, _, _ := strings.Cut(url, "?")
	return path[strings.LastIndexByte(path, '/')+1:]
}
