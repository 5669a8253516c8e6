package sqlfile_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

func TestFillQuotesNamesAndReportsMissingOnes(t *testing.T) {
	t.Parallel()
	statements := sqlfile.MustParse("-- what this file holds\n\n-- name: touch\nUPDATE \"{sessions}\" SET \"{at}\" = 1;\n-- name: none\nSELECT 1;\n")

	got, err := statements.Fill("touch", sqlfile.Names{"sessions": sqlfile.Table("app.rooms"), "at": sqlfile.Column(`a"t`)})
	if err != nil {
		t.Fatal(err)
	}
	if want := `UPDATE "app"."rooms" SET "a""t" = 1;`; got != want {
		t.Errorf("Fill = %s, want %s", got, want)
	}
	for name, want := range map[string]string{"touch": "nothing to fill in for at, sessions", "nothing": `no statement "nothing"`} {
		if _, err := statements.Fill(name, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Fill(%s) fails with %v, want %q", name, err, want)
		}
	}
}

func TestParseRefusesAmbiguousFiles(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"SELECT 1;":                                   "outside a named statement",
		"SELECT 1;\n-- name: a\nSELECT 2;":            "outside a named statement",
		"-- name: a\nSELECT 1;\n-- name: a\nSELECT 2": "is duplicated",
	} {
		if _, err := sqlfile.Parse(source); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) fails with %v, want %q", source, err, want)
		}
	}
}

func TestNamesAreTakenApartAtTheirDots(t *testing.T) {
	t.Parallel()
	for _, parts := range [][]string{{"app", "rooms"}, {"v1.2", "sessions"}, {`a"b`, "x.y"}, {`"`, "."}, {"Müller & Söhne", `""`}} {
		name := sqlfile.Qualified(parts[0], parts[1])
		if got := sqlfile.Split(name); !slices.Equal(got, parts) {
			t.Errorf("%s is taken apart to %q, want %q", name, got, parts)
		}
		if got, want := sqlfile.Table(name), sqlfile.Column(parts[0])+"."+sqlfile.Column(parts[1]); got != want {
			t.Errorf("%s is quoted as %s, want %s", name, got, want)
		}
	}
	for _, table := range []string{"rooms", "live.rooms", `a"b`} {
		if got := sqlfile.Split(sqlfile.Plain(table)); !slices.Equal(got, []string{table}) {
			t.Errorf("%s is taken apart to %q, want it alone", sqlfile.Plain(table), got)
		}
	}
}
