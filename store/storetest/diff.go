package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// difference names the fields in which two sessions differ, or is empty. Fields that are not the library's to
// change, or not the session's own, are left out: UpdatedAt, OwnerName, ActivityCount and Status.
func difference(want, got sessioncleanup.Session) string {
	var d []string
	text := func(field, want, got string) {
		if want != got {
			d = append(d, fmt.Sprintf("%s is %q, want %q", field, got, want))
		}
	}
	flag := func(field string, want, got bool) {
		if want != got {
			d = append(d, fmt.Sprintf("%s is %v, want %v", field, got, want))
		}
	}
	instant := func(field string, want, got time.Time) {
		if !want.Equal(got) {
			d = append(d, fmt.Sprintf("%s is %s, want %s", field, stamp(got), stamp(want)))
		}
	}
	text("ID", want.ID, got.ID)
	text("OwnerID", want.OwnerID, got.OwnerID)
	text("Name", want.Name, got.Name)
	text("Code", want.Code, got.Code)
	flag("Active", want.Active, got.Active)
	flag("AutoCleanup", want.AutoCleanup, got.AutoCleanup)
	instant("CreatedAt", want.CreatedAt, got.CreatedAt)
	instant("LastActivity", want.LastActivity, got.LastActivity)
	instant("ExpiresAt", want.ExpiresAt, got.ExpiresAt)
	return strings.Join(d, "; ")
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "none"
	}
	return t.Format(time.RFC3339Nano)
}

// differences compares two lists of sessions, element by element, and names the first few that differ.
func differences(want, got []sessioncleanup.Session) string {
	wantIDs, gotIDs := idsOf(want), idsOf(got)
	if diff := unordered(wantIDs, gotIDs); diff != "" {
		return fmt.Sprintf("%d sessions, want %d: %s", len(got), len(want), diff)
	}
	if !slices.Equal(wantIDs, gotIDs) {
		return fmt.Sprintf("order is %v, want %v", gotIDs, wantIDs)
	}
	var d []string
	for i := range want {
		if diff := difference(want[i], got[i]); diff != "" {
			d = append(d, fmt.Sprintf("session %s: %s", want[i].ID, diff))
		}
	}
	return some(d, "\n")
}

// some joins the first few of what may be many.
func some(lines []string, separator string) string {
	const most = 6
	if more := len(lines) - most; more > 0 {
		lines = append(slices.Clip(lines[:most]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, separator)
}

// unordered compares two lists whose order does not matter, repeated elements included.
func unordered(want, got []string) string {
	missing, extra := slices.Clone(want), []string{}
	for _, g := range got {
		if i := slices.Index(missing, g); i >= 0 {
			missing = slices.Delete(missing, i, i+1)
		} else {
			extra = append(extra, g)
		}
	}
	var d []string
	if len(missing) > 0 {
		d = append(d, "missing "+some(missing, ", "))
	}
	if len(extra) > 0 {
		d = append(d, "not wanted or once too often "+some(extra, ", "))
	}
	return strings.Join(d, "; ")
}

func idsOf(sessions []sessioncleanup.Session) []string {
	ids := make([]string, len(sessions))
	for i, s := range sessions {
		ids[i] = s.ID
	}
	return ids
}
