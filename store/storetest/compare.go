package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// difference names the first field in which a stored session differs from what it should be, or is empty. It leaves out
// the fields that an application may change itself, or that come from its other tables.
func difference(want, got sessioncleanup.Session) string {
	want.OwnerName, want.UpdatedAt, want.ActivityCount = got.OwnerName, got.UpdatedAt, got.ActivityCount
	if want.Equal(got) {
		return ""
	}
	want.Warning, want.AsOf, want.Status, want.DeactivateAt, want.DeleteAt = got.Warning, got.AsOf, got.Status, got.DeactivateAt, got.DeleteAt
	return firstDifference(want, got)
}

// differences compares two lists of sessions and names the first difference, or is empty.
func differences(want, got []sessioncleanup.Session) string {
	if diff := unordered(idsOf(want), idsOf(got)); diff != "" {
		return fmt.Sprintf("%d sessions, want %d: %s", len(got), len(want), diff)
	}
	for i := range want {
		if want[i].ID != got[i].ID {
			return fmt.Sprintf("place %d has session %s, want %s", i+1, got[i].ID, want[i].ID)
		}
		if diff := difference(want[i], got[i]); diff != "" {
			return fmt.Sprintf("session %s: %s", want[i].ID, diff)
		}
	}
	return ""
}

// unordered compares two lists whose order does not matter, repeated elements included, and names the first element of
// each kind that makes the difference.
func unordered(want, got []string) string {
	missing, extra := slices.Clone(want), []string{}
	for _, g := range got {
		if i := slices.Index(missing, g); i >= 0 {
			missing = slices.Delete(missing, i, i+1)
		} else {
			extra = append(extra, g)
		}
	}
	switch {
	case len(missing) > 0 && len(extra) > 0:
		return fmt.Sprintf("%d missing, first %s; %d too many, first %s", len(missing), missing[0], len(extra), extra[0])
	case len(missing) > 0:
		return fmt.Sprintf("%d missing, first %s", len(missing), missing[0])
	case len(extra) > 0:
		return fmt.Sprintf("%d too many, first %s", len(extra), extra[0])
	default:
		return ""
	}
}

// inOrder compares two lists in their order and names the first place at which they differ, or is empty.
func inOrder[E comparable](want, got []E) string {
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(got):
			return fmt.Sprintf("place %d is missing: %v", i+1, want[i])
		case i >= len(want):
			return fmt.Sprintf("place %d is too many: %v", i+1, got[i])
		case want[i] != got[i]:
			return fmt.Sprintf("place %d is %v, want %v", i+1, got[i], want[i])
		}
	}
	return ""
}

// firstDifference names the first part in which two values of the same type differ, or is empty. Times are compared as
// instants.
func firstDifference(want, got any) string {
	return differ("", reflect.ValueOf(want), reflect.ValueOf(got))
}

func differ(path string, want, got reflect.Value) string {
	switch want.Kind() {
	case reflect.Struct:
		if t, ok := want.Interface().(time.Time); ok {
			if !t.Equal(got.Interface().(time.Time)) {
				return unlike(path, want, got)
			}
			return ""
		}
		for i := range want.NumField() {
			name := want.Type().Field(i).Name
			if path != "" {
				name = path + "." + name
			}
			if diff := differ(name, want.Field(i), got.Field(i)); diff != "" {
				return diff
			}
		}
	case reflect.Slice:
		for i := range min(want.Len(), got.Len()) {
			if diff := differ(fmt.Sprintf("%s[%d]", path, i), want.Index(i), got.Index(i)); diff != "" {
				return diff
			}
		}
		if want.Len() != got.Len() {
			return fmt.Sprintf("%s has %d elements, want %d", path, got.Len(), want.Len())
		}
	case reflect.Pointer:
		if want.IsNil() || got.IsNil() {
			if want.IsNil() != got.IsNil() {
				return unlike(path, want, got)
			}
			return ""
		}
		return differ(path, want.Elem(), got.Elem())
	default:
		if !want.Equal(got) {
			return unlike(path, want, got)
		}
	}
	return ""
}

func unlike(path string, want, got reflect.Value) string {
	if want.Kind() == reflect.String && len(want.String())+len(got.String()) > 400 {
		return fmt.Sprintf("%s differs from byte %d on: %d bytes, want %d", path, commonPrefix(want.String(), got.String()), got.Len(), want.Len())
	}
	return fmt.Sprintf("%s is %s, want %s", path, show(got), show(want))
}

// commonPrefix is the number of bytes that two texts have in common at their start.
func commonPrefix(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

func show(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case time.Time:
		return stamp(value)
	case string:
		return fmt.Sprintf("%q", value)
	default:
		return fmt.Sprintf("%v", value)
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "no time"
	}
	return t.Format(time.RFC3339Nano)
}

func idsOf(sessions []sessioncleanup.Session) []string {
	ids := make([]string, len(sessions))
	for i, s := range sessions {
		ids[i] = s.ID
	}
	return ids
}
