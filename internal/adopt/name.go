package adopt

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// An installation may have a name, so that several tables of one database have one each. Without a name, the library's objects
// are called as in the SQL files; how a name changes that is the backend's.

// library is in the name of every object of the library's, so that no installation's name may have it.
const library = "sessioncleanup"

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,19}$`)

// CheckName refuses names that cannot be part of those of database objects. Empty is the installation without a name.
func CheckName(name string) error {
	if name != "" && (!nameForm.MatchString(name) || strings.Contains(name, library)) {
		return invalid.Errorf("the name of the installation (Config.Name, --name, SESSION_NAME) is %q: want at most 20 letters in lower case, digits and underscores, a letter first, and no %q", name, library)
	}
	return nil
}

// NoRoles refuses roles, for databases on which Migrate grants nothing.
func NoRoles(o sessioncleanup.MigrateOptions, instead string) error {
	for flag, role := range map[string]string{"CleanerRole (--cleaner-role)": o.CleanerRole, "AppRole (--app-role)": o.AppRole} {
		if role != "" {
			return invalid.Errorf("MigrateOptions.%s is %q: want none, only PostgreSQL has such roles; %s", flag, role, instead)
		}
	}
	return nil
}

// NoTable is the error of the first Migrate of an installation with a name that is not told which table it is for.
func NoTable(name string) error {
	return invalid.Errorf("nothing is installed under the name %q yet: say which table of sessions it is for, with the schema's table, or --table", name)
}

// Taken is the error of a Migrate of a table that another installation has.
func Taken(table, name string) error {
	if name == "" {
		return invalid.Errorf("table %q is adopted already, without a name: leave out Config.Name or --name, or name another table", table)
	}
	return invalid.Errorf("table %q is adopted already, under the name %q: say so with Config.Name or --name, or name another table", table, name)
}

// The names of the views that people read.
var views = []string{"sessions_cleanup_view", "sessions_archive_view", "sessions_cleanup_stats"}

// Own reports whether a table, view or index belongs to an installation of the library, by its name.
func Own(name string) bool {
	_, own := Installation(name)
	return own
}

// Installation returns the name of the installation that an object belongs to: the object is called as without a name, with the
// name and an underscore before it. False for what is not the library's.
func Installation(object string) (name string, own bool) {
	object = strings.ToLower(object)
	for _, begin := range append([]string{library + "_"}, views...) {
		place := strings.Index(object, begin)
		if place < 0 || begin != library+"_" && place+len(begin) != len(object) {
			continue
		}
		if place == 0 {
			return "", true
		}
		name, apart := strings.CutSuffix(object[:place], "_")
		return name, apart && CheckName(name) == nil && name != ""
	}
	return "", false
}

// SortInstallations sorts installations by name, as an InstallationLister returns them.
func SortInstallations(all []sessioncleanup.Installation) {
	slices.SortFunc(all, func(a, b sessioncleanup.Installation) int { return cmp.Compare(a.Name, b.Name) })
}
