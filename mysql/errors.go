package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	driversql "github.com/go-sql-driver/mysql"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// The numbers of the server's errors that matter here.
var (
	// Busy, restarting, read-only for now, or a node without its cluster; what the transaction waited for was locked.
	unavailable = []uint16{
		1020, 1040, 1047, 1053, 1180, 1203, 1205, 1206, 1213, 1226, 1290, 1317, 1568, 1792, 1836, 1927, 1969, 3024, 3572, 4031,
	}
	full      = []uint16{1021, 1114}       // the disk, or a table that may not grow
	missing   = []uint16{1054, 1146}       // an unknown column, an unknown table
	unfit     = []uint16{1264, 1292, 1406} // a value that the type of a column does not have
	forbidden = []uint16{1044, 1142, 1143, 1227, 1370, 1419}
	costly    = []uint16{1845, 1846}             // a change of a table that needs a copy of it, or keeps others from writing
	present   = []uint16{1050, 1060, 1061, 1359} // a table, column, index or trigger that is there already
)

const (
	badPassword     = 1045 // or an unknown user
	unknownDatabase = 1049
	lockWaitTimeout = 1205
	readOnly        = 1290
	lockedNoWait    = 3572
	deadlock        = 1213
)

// failed adds the name of the database, and the sentinel that fits, to an error of the driver or of this package.
func (s *Store) failed(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		err = fmt.Errorf("%w: %w", ended, err) // the driver closes the connection then, and says only that
	}
	for _, plain := range []error{
		sessioncleanup.ErrNotFound, sessioncleanup.ErrChanged, sessioncleanup.ErrCascade, sessioncleanup.ErrLeaseHeld, sessioncleanup.ErrLeaseLost,
		sessioncleanup.ErrNotArchived,
	} {
		if errors.Is(err, plain) {
			return err
		}
	}
	return fmt.Errorf("%s: %w", s.name, explained(err))
}

// explained says in words what an error of the server means here, and adds the sentinel.
func explained(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sessioncleanup.ErrUnavailable) {
		return err
	}
	switch number := errorNumber(err); {
	case slices.Contains(unavailable, number):
		return fmt.Errorf("%w: %w", sessioncleanup.ErrUnavailable, err)
	case slices.Contains(full, number):
		return fmt.Errorf("%w: %w; make room on the disk of the server", sessioncleanup.ErrUnavailable, err)
	case slices.Contains(missing, number):
		return fmt.Errorf("%w: %w; run migrate", sessioncleanup.ErrNotInstalled, err)
	case slices.Contains(unfit, number):
		return invalid.Databasef("a column cannot hold the value: %w", err)
	case number == badPassword:
		return invalid.Errorf("%w; check the user and the password of the database URL", err)
	case number == unknownDatabase:
		return invalid.Errorf("%w; create it, or check the name in the database URL", err)
	case slices.Contains(forbidden, number):
		return invalid.Databasef("%w; grant the user the missing right, see docs/mysql.md", err)
	case number != 0:
		return err
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return fmt.Errorf("%w: %w; check that the server runs, and the host and port of the database URL", sessioncleanup.ErrUnavailable, err)
	}
	_, network := errors.AsType[net.Error](err)
	if network || errors.Is(err, driver.ErrBadConn) || errors.Is(err, driversql.ErrInvalidConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %w", sessioncleanup.ErrUnavailable, err)
	}
	return err
}

// errorNumber is the number of the server's error; 0 for another error.
func errorNumber(err error) uint16 {
	failed, ok := errors.AsType[*driversql.MySQLError](err)
	if !ok {
		return 0
	}
	return failed.Number
}

// refused reports whether the rows themselves are at fault: a foreign key without cascade, a check, a trigger that raises an
// error, or too many of them for one transaction of a cluster.
func refused(err error) bool {
	failed, ok := errors.AsType[*driversql.MySQLError](err)
	if !ok {
		return false
	}
	class := string(failed.SQLState[:2])
	return class == "22" || class == "23" || class == "45" || failed.Number == 3819 || failed.Number == 1442 || tooLarge(failed)
}

// tooLarge reports whether a transaction exceeds what a Galera cluster replicates at once.
func tooLarge(err *driversql.MySQLError) bool {
	return strings.Contains(err.Message, "exceeded") && err.Number != lockWaitTimeout
}

// locked reports whether a row that another transaction has locked is in the way.
func locked(err error) bool {
	number := errorNumber(err)
	return number == lockWaitTimeout || number == lockedNoWait
}

// kindOfFailure is the same for rows that are refused for the same reason.
func kindOfFailure(err error) string {
	failed, ok := errors.AsType[*driversql.MySQLError](err)
	if !ok {
		return err.Error()
	}
	_, constraint, _ := strings.Cut(failed.Message, "CONSTRAINT ")
	constraint, _, _ = strings.Cut(constraint, " ")
	if constraint == "" {
		return fmt.Sprintf("%d %s", failed.Number, failed.Message)
	}
	return fmt.Sprintf("%d %s", failed.Number, constraint)
}
