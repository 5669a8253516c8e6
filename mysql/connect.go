package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	driversql "github.com/go-sql-driver/mysql"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// hosts connects to the first of several servers that can be used. It is a driver.Connector.
type hosts struct {
	name    string // of the database, for people
	naming  naming
	timeout time.Duration
	all     []*host
}

type host struct {
	driver.Connector
	failed atomic.Int64 // when connecting failed last, in Unix nanoseconds
}

const (
	defaultPort    = "3306"
	connectTimeout = 10 * time.Second
	// avoidedFor is how long a host that could not be used is tried after the others.
	avoidedFor = 30 * time.Second
)

// parseURL understands mysql://USER:PASSWORD@HOST1:PORT,HOST2:PORT/DATABASE?tls=true&timeout=5s.
func parseURL(text string) (*hosts, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	if !strings.EqualFold(scheme, "mysql") {
		return nil, invalid.Errorf("database URL: want mysql://USER@HOST/DATABASE")
	}
	rest, query, _ := strings.Cut(rest, "?")
	authority, database, _ := strings.Cut(rest, "/")
	user, addresses := "", authority
	if at := strings.LastIndex(authority, "@"); at >= 0 {
		user, addresses = authority[:at], authority[at+1:]
	}
	name, password, _ := strings.Cut(user, ":")
	var err error
	for _, part := range []*string{&name, &password, &database} {
		if *part, err = url.PathUnescape(*part); err != nil {
			return nil, invalid.Errorf("database URL: the user, the password or the database is not escaped as URLs are")
		}
	}
	if database == "" || strings.Contains(database, "/") {
		return nil, invalid.Errorf("database URL has the database %q: want mysql://USER@HOST/DATABASE", database)
	}
	base := driversql.NewConfig()
	base.User, base.Passwd, base.DBName = name, password, database
	base.Timeout, base.Loc, base.ParseTime, base.InterpolateParams = connectTimeout, time.UTC, true, true
	base.Logger = &driversql.NopLogger{} // errors are returned
	if err := base.Apply(driversql.Charset("utf8mb4", "")); err != nil {
		return nil, err
	}
	if err := setOptions(base, query); err != nil {
		return nil, err
	}
	h := &hosts{name: "database " + strconv.Quote(database), timeout: base.Timeout}
	for address := range strings.SplitSeq(addresses, ",") {
		c := base.Clone()
		if c.Net, c.Addr, err = addressOf(address); err != nil {
			return nil, err
		}
		connector, err := driversql.NewConnector(c)
		if err != nil {
			return nil, invalid.Errorf("database URL: %v", err)
		}
		h.all = append(h.all, &host{Connector: connector})
	}
	return h, nil
}

func setOptions(c *driversql.Config, query string) error {
	options, err := url.ParseQuery(query)
	if err != nil {
		return invalid.Errorf("database URL: its options cannot be read")
	}
	for name := range options {
		value := options.Get(name)
		switch name {
		case "tls":
			if value != "true" && value != "false" && value != "skip-verify" && value != "preferred" {
				return invalid.Errorf("database URL has tls=%q: want true, false, skip-verify or preferred", value)
			}
			c.TLSConfig = value
		case "timeout":
			if c.Timeout, err = time.ParseDuration(value); err != nil || c.Timeout <= 0 {
				return invalid.Errorf("database URL has timeout=%q: want a positive duration such as 5s", value)
			}
		default:
			return invalid.Errorf("database URL has the unknown option %q: want tls or timeout", name)
		}
	}
	return nil
}

func addressOf(text string) (network, address string, err error) {
	if text, err = url.PathUnescape(text); err != nil {
		return "", "", invalid.Errorf("database URL: a host is not escaped as URLs are")
	}
	if strings.HasPrefix(text, "/") {
		return "unix", text, nil
	}
	if text == "" {
		text = "127.0.0.1"
	}
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return "tcp", net.JoinHostPort(strings.Trim(text, "[]"), defaultPort), nil
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return "", "", invalid.Errorf("database URL has the port %.20q: want a number from 1 to 65535", port)
	}
	return "tcp", text, nil
}

// Driver is that of all connections.
func (h *hosts) Driver() driver.Driver { return driversql.MySQLDriver{} }

// Connect connects to the first host that answers, accepts the user and can be used.
func (h *hosts) Connect(ctx context.Context) (driver.Conn, error) {
	var failed error
	for _, host := range h.order(time.Now()) {
		c, err := h.connect(ctx, host)
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		host.failed.Store(time.Now().UnixNano())
		failed = err
		if errorNumber(err) == badPassword { // the others have the same users
			break
		}
		if errors.Is(err, driver.ErrBadConn) || errors.Is(err, context.DeadlineExceeded) { // else the pool tries again and again
			failed = fmt.Errorf("%w: the server closed the connection, or did not answer", sessioncleanup.ErrUnavailable)
		}
	}
	return nil, failed
}

// order is in which hosts are tried: as they are given, but last those that failed just now, so that each connection does
// not wait for a host that does not answer.
func (h *hosts) order(now time.Time) []*host {
	var first, last []*host
	for _, host := range h.all {
		if now.Sub(time.Unix(0, host.failed.Load())) < avoidedFor {
			last = append(last, host)
		} else {
			first = append(first, host)
		}
	}
	return append(first, last...)
}

// connect connects to a host. A frozen one accepts connections and says nothing.
func (h *hosts) connect(ctx context.Context, host *host) (driver.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	c, err := host.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if whole, ok := c.(driverConn); ok && h.naming.name != "" {
		c = renamed{whole, h.naming}
	}
	if err := prepare(ctx, c); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// prepare makes the settings of a new connection, and skips a node that is not part of its cluster.
func prepare(ctx context.Context, c driver.Conn) error {
	execer, ok := c.(driver.ExecerContext)
	if !ok {
		return errors.New("the driver cannot execute statements")
	}
	for _, name := range []string{"set_session", "set_defaults", "set_isolation"} {
		if _, err := execer.ExecContext(ctx, statements[name], nil); err != nil {
			return err
		}
	}
	state, err := clusterState(ctx, c)
	switch {
	case err != nil:
		return err
	case state == "":
		return nil
	case !strings.EqualFold(state, "ON"):
		return fmt.Errorf("%w: the node is not part of the cluster's primary component", sessioncleanup.ErrUnavailable)
	}
	_, err = execer.ExecContext(ctx, statements["set_cluster"], nil)
	return err
}

// clusterState is whether a node of a Galera cluster is ready, ON or OFF; empty for a server of its own.
func clusterState(ctx context.Context, c driver.Conn) (string, error) {
	enabled, err := variable(ctx, c, statements["cluster_enabled"])
	if err != nil || !strings.EqualFold(enabled, "ON") {
		return "", err
	}
	return variable(ctx, c, statements["cluster_ready"])
}

// variable is the value of a statement SHOW for one variable; empty when there is none.
func variable(ctx context.Context, c driver.Conn, show string) (string, error) {
	queryer, ok := c.(driver.QueryerContext)
	if !ok {
		return "", errors.New("the driver cannot query")
	}
	rows, err := queryer.QueryContext(ctx, show, nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = rows.Close() }()
	values := make([]driver.Value, 2)
	if err := rows.Next(values); err != nil {
		if errors.Is(err, io.EOF) {
			return "", nil
		}
		return "", err
	}
	return fmt.Sprintf("%s", values[1]), nil
}

var versionForm = regexp.MustCompile(`(\d+)\.(\d+)\.\d+(-MariaDB)?`)

// supported checks the version of the server: the statements need SKIP LOCKED and JSON functions.
func supported(version string) error {
	found := versionForm.FindStringSubmatch(strings.TrimPrefix(version, "5.5.5-"))
	if found == nil {
		return invalid.Databasef("the server's version is %q: want MariaDB 10.6 or MySQL 8.0, or a newer one", version)
	}
	major, _ := strconv.Atoi(found[1])
	minor, _ := strconv.Atoi(found[2])
	if found[3] != "" && (major < 10 || major == 10 && minor < 6) || found[3] == "" && major < 8 {
		return invalid.Databasef("the server's version is %s: want MariaDB 10.6 or MySQL 8.0, or a newer one", version)
	}
	return nil
}
