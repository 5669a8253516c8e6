// Package postgres is the backend for PostgreSQL 14 and later, over pgx. It works on a table of its own or on one that the
// application has, follows activity by triggers, and offers the same rules to psql and pg_cron as functions and a view.
// docs/postgres.md describes what it adds to a database, which rights it needs and what it costs.
//
// No statement relies on a setting of its connection, so that a pooler in transaction mode, such as PgBouncer, works.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// Config configures a Store. The zero value adopts what the database shows; each field's comment ends with its default.
type Config struct {
	// Schema describes the application's tables. Fields that it leaves open are those that an earlier Migrate adopted,
	// or else those that Inspect finds. Default: the zero Schema.
	Schema sessioncleanup.Schema
	// Name distinguishes several tables of sessions in one database. What Migrate adds for this one is in its own
	// database schema, sessioncleanup_ and the name. The first Migrate with a name must have a Schema that names the
	// table. At most 20 lower-case letters, digits and underscores. Default: no name, which one installation can have.
	Name string
	// Migrate says how Migrate adopts the table where the table alone does not tell. The database remembers what
	// Migrate decided. Default: the zero MigrateOptions.
	Migrate sessioncleanup.MigrateOptions
	// Logger receives what Migrate and Validate report besides errors: how times are understood, what will be slow or
	// cannot be deleted, and what Migrate waits for. Default: none.
	Logger *slog.Logger
	// TrustOwner allows a superuser's connection to work on sessions that belong to a role that is not a superuser.
	// Triggers and functions of that role then run in the superuser's session, and can use its privileges. Default:
	// false, such connections are refused.
	TrustOwner bool
	// BatchTimeout is how long one batch, or another single operation, may take before the database cancels it.
	// Default: 30 s.
	BatchTimeout time.Duration
	// LockTimeout is how long an operation may wait for rows that another transaction has locked. Default: 5 s.
	LockTimeout time.Duration
	// MigrateWait is how long Migrate and Uninstall keep trying to lock a table that others keep locked. Each attempt
	// lasts 40 ms, so no statement queues behind it for longer. Default: 5 minutes.
	MigrateWait time.Duration
}

// The defaults of a Config.
const (
	defaultBatchTimeout = 30 * time.Second
	defaultLockTimeout  = 5 * time.Second
	defaultMigrateWait  = 5 * time.Minute
)

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&c.BatchTimeout, defaultBatchTimeout}, {&c.LockTimeout, defaultLockTimeout}, {&c.MigrateWait, defaultMigrateWait}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return c
}

func (c Config) validate() error {
	if err := adopt.CheckName(c.Name); err != nil {
		return err
	}
	if err := errors.Join(c.Schema.Validate(), checkLengths(c.Schema)); !c.Schema.IsZero() && err != nil {
		return err
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"BatchTimeout", c.BatchTimeout}, {"LockTimeout", c.LockTimeout}, {"MigrateWait", c.MigrateWait}} {
		if d.value < time.Millisecond {
			return invalid.Errorf("Config.%s is %v: want at least 1 ms", d.field, d.value)
		}
	}
	return nil
}

// Store is a sessioncleanup.Store and a sessioncleanup.Installer on a PostgreSQL database.
type Store struct {
	pool *guarded
	cfg  Config
	owns bool // Close closes the pool

	writers writers

	mu      sync.Mutex
	mapping *mapping // of the adopted schema; nil until it was read
	loaded  time.Time

	within within // what TouchTx needs of it
}

var (
	_ sessioncleanup.Store     = (*Store)(nil)
	_ sessioncleanup.Installer = (*Store)(nil)
	_ sessioncleanup.Sealer    = (*Store)(nil)
	_ sessioncleanup.Follower  = (*Store)(nil)

	_ sessioncleanup.InstallationLister = (*Store)(nil)
)

// New returns a Store on a pool, which the caller closes. It does not connect. Migrate needs a pool of at least two
// connections. Behind a pooler in transaction mode, set the pool's query mode to CacheDescribe or Exec.
func New(pool *pgxpool.Pool, cfg Config) (*Store, error) {
	if pool == nil {
		return nil, invalid.Errorf("pool is nil: want a pool")
	}
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Store{pool: guardPool(pool), cfg: cfg}, nil
}

// Open returns a Store with its own pool and checks that the database answers. The URL is that of libpq, with pgxpool's
// pool_ parameters. Unless it sets default_query_exec_mode, the connections suit a pooler in transaction mode. No error
// contains the URL's password.
func Open(ctx context.Context, url string, cfg Config) (*Store, error) {
	poolConfig, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, invalid.Errorf("database URL cannot be read: %w", withoutURL(err))
	}
	if poolConfig.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		// Nothing stays on a connection, and each statement is read after the one before it, under the search path that
		// that one sets.
		poolConfig.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	noticeDeadConnections(poolConfig)
	pool, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		return nil, mapError("open", err)
	}
	s, err := New(pool, cfg)
	if err == nil {
		err = s.ping(ctx)
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	s.owns = true
	return s, nil
}

// noticeDeadConnections bounds what waits for a server that does not answer any more, where the URL leaves that open.
func noticeDeadConnections(c *pgxpool.Config) {
	conn := c.ConnConfig
	if conn.ConnectTimeout == 0 || conn.ConnectTimeout > time.Minute { // pgx waits for two
		conn.ConnectTimeout = connectTimeout
		if slices.ContainsFunc(conn.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.Host != conn.Host || f.Port != conn.Port }) {
			conn.ConnectTimeout /= 3 // for each host
		}
	}
	if c.PingTimeout == 0 {
		c.PingTimeout = settle // of a connection that was idle
	}
	// A slow statement may take long without sending anything, but the network must answer for its machine.
	alive := net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}
	conn.DialFunc = (&net.Dialer{KeepAliveConfig: alive}).DialContext
}

// Close closes the pool that Open made, and leaves one given to New open. It does not wait long for a server that does not
// answer.
func (s *Store) Close() error {
	if !s.owns {
		return nil
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.pool.pool.Close()
	}()
	select {
	case <-closed:
	case <-time.After(abandoned):
	}
	return nil
}

// Now returns the time of the database's clock.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	var now time.Time
	if err := s.pool.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&now); err != nil {
		return time.Time{}, mapError("read the clock", err)
	}
	return now.UTC(), nil
}

// oldestServer is the first major version that has everything that is used here.
const oldestServer = 14

// ping checks that the server answers, is not too old, and that what is between does transactions.
func (s *Store) ping(ctx context.Context) error {
	var number int
	batch := &pgx.Batch{}
	batch.Queue(s.pool.begin())
	batch.Queue("SELECT current_setting('server_version_num')::int").QueryRow(func(row pgx.Row) error { return row.Scan(&number) })
	limited, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	err := pgx.BeginFunc(limited, s.pool.pool, func(tx pgx.Tx) error { return tx.SendBatch(limited, batch).Close() })
	if err != nil {
		return mapError("connect", s.noAnswer(ctx, err))
	}
	if number/10000 < oldestServer {
		return invalid.Databasef("the server is PostgreSQL %d: want %d or later", number/10000, oldestServer)
	}
	return nil
}

// withoutURL keeps what is wrong with a URL and drops the URL itself, which may hold a password.
func withoutURL(err error) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		if path, ok := err.(*fs.PathError); ok { //nolint:errorlint // a file of the TLS parameters, named; its error says less
			return fmt.Errorf("TLS: %w", path)
		}
		err = inner
	}
	return err
}
