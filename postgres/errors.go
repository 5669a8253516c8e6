package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// The error codes that mean something to this package (PostgreSQL, appendix A).
const (
	codeLockNotAvailable = "55P03"
	codeDiskFull         = "53100"
	codeQueryCanceled    = "57014"
	codeIdle             = "25P03" // in a transaction for too long
	codeTooLong          = "25P04" // a transaction, by transaction_timeout
	codeReadOnly         = "25006" // a server that only reads: after a failover, or a standby
	codeNoPrivilege      = "42501"
	codeBadPassword      = "28P01"
	codeBadRole          = "28000"
	codeNoDatabase       = "3D000"
	codeUnknownObject    = "42704" // a parameter of the URL, when connecting
	codeBadValue         = "22023" // of a parameter
	codeDependents       = "2BP01" // something depends on what is dropped
	codeUnique           = "23505"
	codeBadText          = "22P02"
	codeOutOfRange       = "22003"
	codeUnarchivable     = "SC001" // these are the library's own
	codeTooLarge         = "SC002"
	codeNotArchived      = "SC003"
	codeHeld             = "SC004"
	codeNoNewID          = "SC005"
	codeReplicated       = "SC006"
)

// onStandby says what to do about a server that only reads.
const onStandby = "a standby only reads: use the URL of its primary, or one with both hosts and target_session_attrs=read-write"

// onReadOnly says what to do about a transaction that only reads.
const onReadOnly = onStandby + "; on a primary, turn off default_transaction_read_only for the role and the database"

// mapError turns an error of the driver into one of the root package's, with what was being done.
func mapError(doing string, err error) error {
	if err == nil {
		return nil
	}
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) && !connecting {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if server, ok := errors.AsType[*pgconn.PgError](err); ok {
		if connecting && slices.Contains([]string{codeUnknownObject, codeBadValue, codeNoPrivilege}, server.Code) {
			return fmt.Errorf("%s: %w", doing, invalid.Errorf("%w; check the parameters of the database URL, and that the role may CONNECT to the database", err))
		}
		return fmt.Errorf("%s: %w", doing, explain(server, err))
	}
	if unreachable(err) {
		hint := "check that the server runs, and the host and port of the database URL"
		switch { // pgx has no types for these
		case strings.Contains(err.Error(), "tls error"):
			hint = "check TLS: whether the server has it, and sslmode, sslrootcert, sslcert and sslkey of the database URL"
		case strings.Contains(err.Error(), "read only connection"):
			hint = onStandby
		}
		return fmt.Errorf("%s: %w: %w; %s", doing, sessioncleanup.ErrUnavailable, err, hint)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// explain adds a sentinel, or what to do about it, to an error of the server.
func explain(server *pgconn.PgError, err error) error {
	if strings.Contains(server.Message, "statement pooling mode") { // PgBouncer
		return invalid.Databasef("%w; the pooler is in statement mode, which has no transactions: use pool_mode = transaction, or session", err)
	}
	if server.Code == codeUnique && slices.Contains([]string{"sessioncleanup_events_pkey", "sessioncleanup_archive_pkey", "sessioncleanup_retagged_pkey", "sessioncleanup_touches_pkey"}, server.ConstraintName) {
		return fmt.Errorf("%w: %w: its numbers begin again, as after a switch by logical replication; run migrate", sessioncleanup.ErrNotInstalled, err)
	}
	switch server.Code {
	case codeBadPassword, codeBadRole:
		return invalid.Errorf("%w; check the user and the password of the database URL", err)
	case codeNoDatabase:
		return invalid.Errorf("%w; create it, or check the name in the database URL", err)
	case codeNoPrivilege:
		return fmt.Errorf("%w; as the owner of the sessions, grant the role the missing rights with migrate --cleaner-role or --app-role", err)
	case codeQueryCanceled:
		return fmt.Errorf("%w: %w; if that is the role's statement_timeout, give it a longer one: ALTER ROLE … SET statement_timeout", sessioncleanup.ErrUnavailable, err)
	case codeTooLong:
		return fmt.Errorf("%w: %w; give the role a longer one: ALTER ROLE … SET transaction_timeout", sessioncleanup.ErrUnavailable, err)
	case "42P01", "42883", "42703", "3F000", codeUnknownObject: // undefined table, function, column, schema, other object
		return fmt.Errorf("%w: %w; run migrate", sessioncleanup.ErrNotInstalled, err)
	case codeUnarchivable:
		return fmt.Errorf("%w: %s", sessioncleanup.ErrUnarchivable, server.Message)
	case codeTooLarge:
		return fmt.Errorf("%w: %s", sessioncleanup.ErrTooLarge, server.Message)
	case codeNotArchived:
		return sessioncleanup.ErrNotArchived
	case codeNoNewID:
		return invalid.Errorf("%s", server.Message)
	case codeReplicated:
		return replicatedError(server.Message)
	case codeHeld:
		return sessioncleanup.ErrHeld
	case codeDependents:
		return invalid.Databasef("%w: %s; drop what depends on it first", err, strings.ReplaceAll(server.Detail, "\n", ", "))
	case codeReadOnly:
		return fmt.Errorf("%w: %w; %s", sessioncleanup.ErrUnavailable, err, onReadOnly)
	case codeDiskFull:
		return fmt.Errorf("%w: %w; make room on the disk of the server", sessioncleanup.ErrUnavailable, err)
	case codeLockNotAvailable, codeIdle:
		return fmt.Errorf("%w: %w", sessioncleanup.ErrUnavailable, err)
	}
	switch server.Code[:min(2, len(server.Code))] {
	case "08", "40", "53", "57": // connection, rollback for concurrency, resources, operator intervention
		return fmt.Errorf("%w: %w", sessioncleanup.ErrUnavailable, err)
	}
	return err
}

// unreachable reports whether an error is about the connection to the server.
func unreachable(err error) bool {
	_, network := errors.AsType[net.Error](err)
	_, connect := errors.AsType[*pgconn.ConnectError](err)
	return network || connect ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		strings.Contains(err.Error(), "conn closed")
}

// hasCode reports whether the server answered with one of the codes.
func hasCode(err error, codes ...string) bool {
	server, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains(codes, server.Code)
}

// rowError is a failure of rows that a function of the database caught and returned. It does not say which rows.
type rowError struct {
	code    string // a SQLSTATE, and the constraint's name after a space
	message string
}

func (e *rowError) Error() string {
	hint := ""
	if e.state() == "23503" { // foreign key violation
		hint = "; delete those rows first, or declare the foreign key with ON DELETE CASCADE"
	}
	return fmt.Sprintf("%s (SQLSTATE %s)%s", e.message, e.state(), hint)
}

func (e *rowError) state() string {
	state, _, _ := strings.Cut(e.code, " ")
	return state
}

// Unwrap is the sentinel of a session that is too large for the archive.
func (e *rowError) Unwrap() error {
	if e.state() == codeTooLarge {
		return sessioncleanup.ErrTooLarge
	}
	return nil
}

// isLock reports whether a SQLSTATE says that another transaction has locked something, or changes it just now.
func isLock(state string) bool {
	return state == codeLockNotAvailable || state == "40P01" || state == "40001"
}

func ignoreNoRows(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return err
}
