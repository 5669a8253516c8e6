package sessioncleanup

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// The environment variables that PolicyFromEnv reads: those that the guide names, and those of warnings, the archive and tags.
const (
	EnvEnabled            = "SESSION_CLEANUP_ENABLED"
	EnvInactiveHours      = "SESSION_INACTIVE_HOURS"
	EnvDeleteDays         = "SESSION_DELETE_DAYS"
	EnvAutoCleanupDefault = "SESSION_AUTO_CLEANUP_DEFAULT"
	EnvWarnDays           = "SESSION_WARN_DAYS"
	EnvUndeliverable      = "SESSION_UNDELIVERABLE"
	EnvArchive            = "SESSION_ARCHIVE"
	EnvArchiveDays        = "SESSION_ARCHIVE_DAYS"
	EnvBackup             = "SESSION_BACKUP"
	EnvRules              = "SESSION_RULES"
)

// NoBackup as the value of EnvBackup turns Policy.Backup off.
const NoBackup = "none"

// PolicyFromEnv reads a policy from environment variables through getenv, usually os.Getenv. A variable that is unset
// or empty leaves its field zero, which means the default. A value that cannot be read is an ErrInvalid that names the
// variable and the value. Hours and days may be fractions, or "never".
func PolicyFromEnv(getenv func(string) string) (Policy, error) {
	hours := func(name, value string) (time.Duration, error) { return ParseThreshold(name, value, time.Hour) }
	days := func(name, value string) (time.Duration, error) { return ParseThreshold(name, value, 24*time.Hour) }
	var p Policy
	if err := cmp.Or(
		readEnv(getenv, EnvEnabled, &p.Enabled, ParseSwitch),
		readEnv(getenv, EnvAutoCleanupDefault, &p.AutoCleanupDefault, ParseSwitch),
		readEnv(getenv, EnvArchive, &p.Archive, ParseSwitch),
		readEnv(getenv, EnvWarnDays, &p.WarnBefore, func(name, value string) (time.Duration, error) {
			before, _, err := ParseWarnings(name, value)
			return before, err
		}),
		readEnv(getenv, EnvUndeliverable, &p.Undeliverable, parseUndeliverable),
		readEnv(getenv, EnvArchiveDays, &p.ArchiveKeep, days),
		readEnv(getenv, EnvBackup, &p.Backup, func(_, value string) (Switch, error) { // where to is for the program: see Config.Backups
			return SwitchOf(value != NoBackup), nil
		}),
		readEnv(getenv, EnvRules, &p.Rules, func(name, value string) (string, error) {
			if _, err := ParseRules(value); err != nil {
				return "", invalid.Errorf("%s: %w", name, err)
			}
			return value, nil
		}),
		readEnv(getenv, EnvInactiveHours, &p.InactiveAfter, hours),
		readEnv(getenv, EnvDeleteDays, &p.DeleteAfter, days),
	); err != nil {
		return Policy{}, err
	}
	return p, nil
}

// readEnv reads a field from a variable, unless that is empty.
func readEnv[T any](getenv func(string) string, name string, field *T, parse func(name, value string) (T, error)) (err error) {
	if value := getenv(name); value != "" {
		*field, err = parse(name, value)
	}
	return err
}

// ParseSwitch reads a switch given as true or false, yes or no, on or off, 1 or 0; an empty one is Default. Errors are
// ErrInvalid and name what was given as name.
func ParseSwitch(name, value string) (Switch, error) {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "":
		return Default, nil
	case "true", "1", "yes", "on":
		return On, nil
	case "false", "0", "no", "off":
		return Off, nil
	default:
		return Default, invalid.Errorf("%s is %q: want true or false", name, value)
	}
}

// parseUndeliverable reads hold or proceed. Errors are ErrInvalid and name the variable.
func parseUndeliverable(name, value string) (Undeliverable, error) {
	switch u := Undeliverable(strings.ToLower(strings.TrimSpace(value))); u {
	case "", UndeliverableHold, UndeliverableProceed:
		return u, nil
	default:
		return "", invalid.Errorf("%s is %q: want %s or %s", name, value, UndeliverableHold, UndeliverableProceed)
	}
}

// ParseThreshold reads a threshold given as a number of units, such as hours or days, or "never". The number
// may be a fraction and must be positive. Errors are ErrInvalid and name what was given as name.
func ParseThreshold(name, value string, unit time.Duration) (time.Duration, error) {
	value = strings.TrimSpace(value)
	if strings.EqualFold(value, "never") {
		return Never, nil
	}
	n, err := strconv.ParseFloat(value, 64)
	most := float64(maxThreshold) / float64(unit)
	if err != nil || !(n*float64(unit) >= 1 && n <= most) {
		return 0, invalid.Errorf("%s is %q: want a positive number up to %.0f, or never", name, value, most)
	}
	return time.Duration(n * float64(unit)), nil
}

// ParseWarnings reads how many days before a deletion its owner is warned, or "never", and then, separated by commas, how
// many days before it reminders are sent: "30,7,1". Errors are ErrInvalid and name what was given as name.
func ParseWarnings(name, value string) (before time.Duration, reminders []time.Duration, err error) {
	for i, part := range strings.Split(value, ",") {
		days, err := ParseThreshold(name, part, 24*time.Hour)
		if err != nil {
			return 0, nil, err
		}
		if i == 0 {
			before = days
		} else {
			reminders = append(reminders, days)
		}
	}
	if err := CheckReminders(before, reminders); err != nil {
		return 0, nil, invalid.Errorf("%s is %q: %w", name, value, err)
	}
	return before, reminders, nil
}

// maxReminders is how many reminders follow a warning at most.
const maxReminders = 10

// CheckReminders returns an ErrInvalid when there are too many reminders, or when one is not shorter than the one
// before it. The first must be shorter than before, the time between the warning and the deletion.
func CheckReminders(before time.Duration, reminders []time.Duration) error {
	if len(reminders) > maxReminders {
		return invalid.Errorf("%d reminders: want at most %d", len(reminders), maxReminders)
	}
	for _, r := range reminders {
		if r <= 0 || r >= before {
			return invalid.Errorf("a reminder %v before a deletion after one %v before it: want the longest first, such as 30,7,1", r, before)
		}
		before = r
	}
	return nil
}

// Threshold writes a threshold of a policy for people, in the given unit: "24", "0.5" or "never". ParseThreshold reads
// it.
func Threshold(d, unit time.Duration) string {
	if d == Never {
		return "never"
	}
	return strconv.FormatFloat(float64(d)/float64(unit), 'g', -1, 64)
}
