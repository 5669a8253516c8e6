package command

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sessioncleanup/sessioncleanup"
)

// policyVariables are the variables of the policy, of runs and of messages.
var policyVariables = []string{
	sessioncleanup.EnvEnabled, sessioncleanup.EnvInactiveHours, sessioncleanup.EnvDeleteDays, sessioncleanup.EnvAutoCleanupDefault,
	sessioncleanup.EnvWarnDays, sessioncleanup.EnvUndeliverable,
	sessioncleanup.EnvArchive, sessioncleanup.EnvArchiveDays, sessioncleanup.EnvBackup, sessioncleanup.EnvRules,
	envIgnoreClock, envNotifyOperators, envNotifyOwners,
}

// envIgnoreClock is --ignore-clock of cleanup and serve.
const envIgnoreClock = "SESSION_IGNORE_CLOCK"

// addIgnoreClock adds the flag to a verb that runs.
func (a *app) addIgnoreClock(flags *pflag.FlagSet) {
	flags.BoolVar(&a.ignoreClock, "ignore-clock", false, "run although the clocks of the database and of this machine differ by more than 10 minutes")
}

// trustsClock reports whether runs trust the database's clock whatever the process's shows: the flag or the variable says so.
func (a *app) trustsClock() (bool, error) {
	ignore, err := sessioncleanup.ParseSwitch(envIgnoreClock, a.getenv(envIgnoreClock))
	return a.ignoreClock || ignore.Or(false), err
}

// policy is the policy of the environment. Variables that were probably meant for it and have no effect are reported.
func (a *app) policy() (sessioncleanup.Policy, error) {
	for _, name := range a.names {
		if meant := misspelled(name); meant != "" {
			a.complain("warning: " + name + " has no effect, did you mean " + meant + "?")
		}
	}
	p, err := sessioncleanup.PolicyFromEnv(a.getenv)
	given := sessioncleanup.Policy{Archive: a.archives, Rules: a.rules}
	if a.backupTo != "" {
		given.Backup = sessioncleanup.SwitchOf(a.backupTo != sessioncleanup.NoBackup)
	}
	return given.Or(p), err
}

// misspelled returns the variable of the policy that a name was probably meant to be; empty when it is one, or when it is
// the application's own, such as SESSION_SECRET.
func misspelled(name string) string {
	if slices.Contains(policyVariables, name) || !strings.Contains(strings.ToUpper(name), "SESSION") {
		return ""
	}
	best, least := "", 4 // letters that differ, at most 3
	for _, known := range policyVariables {
		if d := distance(strings.ToUpper(name), known); d < least {
			best, least = known, d
		}
	}
	return best
}

// distance is the number of letters to insert, remove or replace to make one word of another (Levenshtein).
func distance(from, to string) int {
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(from) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(to) {
			replaced := diagonal
			if from[i] != to[j] {
				replaced++
			}
			diagonal, row[j+1] = row[j+1], min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(to)]
}

// warnAboutStored reports a variable that only takes effect when migrate stores it.
func (a *app) warnAboutStored(env, stored sessioncleanup.Policy) {
	set := env.AutoCleanupDefault
	if set != sessioncleanup.Default && stored.AutoCleanupDefault != sessioncleanup.Default && set != stored.AutoCleanupDefault {
		a.complain("warning: " + sessioncleanup.EnvAutoCleanupDefault + " differs from the database and has no effect until: sessioncleanup migrate")
	}
}
