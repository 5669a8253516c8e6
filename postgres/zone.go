package postgres

import (
	"context"
	"strings"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// zone is the configured time zone, or that of the connection. It is a name that the server knows, in the server's spelling.
func (s *Store) zone(ctx context.Context) (string, error) {
	zone := s.cfg.Migrate.TimeZone
	if zone == "" {
		if err := s.pool.QueryRow(ctx, "SELECT current_setting('TimeZone')").Scan(&zone); err != nil {
			return "", mapError("read the time zone", err)
		}
	}
	if zone == "UTC" || zone == "Etc/UTC" || s.takesPlace(ctx, zone) {
		return zone, nil
	}
	var known bool
	err := s.pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_timezone_names WHERE name = $1)", zone).Scan(&known)
	if err == nil && !known {
		return "", invalid.Errorf("the server does not know the time zone %q: want an IANA name, such as Europe/Paris, with --time-zone", zone)
	}
	return zone, mapError("read the time zone", err)
}

// takesPlace reports whether the server takes the name of a place for a time zone, and spells it like that. pg_timezone_names
// has all names, but reads the files of all zones for them. What has no slash or has a digit may be a rule such as EST5EDT
// instead, which the server takes as well.
func (s *Store) takesPlace(ctx context.Context, zone string) bool {
	if !strings.Contains(zone, "/") || strings.ContainsAny(zone, "0123456789") {
		return false
	}
	var spelled string
	err := s.pool.QueryRow(ctx, "SELECT pg_catalog.set_config('TimeZone', $1, true)", zone).Scan(&spelled)
	return err == nil && spelled == zone
}
