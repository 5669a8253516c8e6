package command

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestWrongUsageNamesTheMistake(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	u.writes("broken.json", `{"table": `)
	u.writes("typo.json", `{"tabel": "sessions"}`)
	u.writes("injection.json", `{"table": "sessions; DROP TABLE users"}`)
	file := func(name string) string { return filepath.Join(u.dir, name) }
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"claenup"}, `unknown verb "claenup", did you mean cleanup?`},
		{[]string{"clean"}, `unknown verb "clean", did you mean cleanup?`},
		{[]string{"session-stats"}, "did you mean stats?"},
		{[]string{"setup-db"}, "did you mean migrate?"},
		{[]string{"remove", "1"}, "did you mean delete?"},
		{[]string{"xyzzy"}, `unknown verb "xyzzy"; see sessioncleanup --help`},
		{[]string{"help", "claenup"}, "did you mean cleanup?"},
		{[]string{"cleanup", "--dry-rum"}, "did you mean --dry-run?"},
		{[]string{"cleanup", "-x"}, "unknown shorthand flag"},
		{[]string{"stats", "--jsn"}, "did you mean --json?"},
		{[]string{"cleanup", "now"}, `cleanup takes no argument, got "now"`},
		{[]string{"cleanup", "--inactive-hours", "soon"}, `--inactive-hours is "soon": want a positive number`},
		{[]string{"cleanup", "--inactive-hours", "-6"}, `--inactive-hours is "-6": want a positive number`},
		{[]string{"cleanup", "--inactive-hours="}, `--inactive-hours is "": want a positive number`},
		{[]string{"cleanup", "--delete-days", "0"}, `--delete-days is "0": want a positive number`},
		{[]string{"cleanup", "--delete-days", "NaN"}, `--delete-days is "NaN": want a positive number`},
		{[]string{"cleanup", "--delete-days", "1e300"}, `--delete-days is "1e300": want a positive number`},
		{[]string{"cleanup", "--delete-days"}, "flag needs an argument: --delete-days"},
		{[]string{"cleanup", "--quick", "--delete-days", "3"}, "--quick means"},
		{[]string{"cleanup", "--owner", ""}, `--owner is "": want a value`},
		{[]string{"cleanup", "--tag", ""}, `--tag is "": want a value`},
		{[]string{"stats", "--database="}, `--database is "": want a value`},
		{[]string{"list", "--tag", "vip,old"}, `tag is "vip,old": want 1 to 50`},
		{[]string{"list", "--tag", "vip|!"}, `"vip|!": tag is "!": want 1 to 50`},
		{[]string{"list", "--sort", strings.Repeat("x", 1<<16)}, "want one of last_activity, created, name"},
		{[]string{"restore", "1", "--from", "elsewhere.zst"}, "--from: "},
		{[]string{"tag", "1", "+vip", "--reason=asked"}, "--reason comes before the ID"},
		{[]string{"cleanup", "--force=-1"}, `--force is "-1": want --force alone, or a whole number of sessions from 1`},
		{[]string{"cleanup", "--force=0"}, `--force is "0": want`},
		{[]string{"cleanup", "--force=all"}, `--force is "all": want`},
		{[]string{"cleanup", "--force", "5"}, `cleanup takes no argument, got "5"`},
		{[]string{"cleanup", "--page", "0"}, `--page is "0": want a whole number from 1 to 1000`},
		{[]string{"cleanup", "--dry-run=perhaps"}, `--dry-run is "perhaps": want true or false`},
		{[]string{"list", "--limit", "many"}, `--limit is "many": want a whole number from 1 to 1000`},
		{[]string{"list", "--limit", "-1"}, `--limit is "-1": want a whole number`},
		{[]string{"list", "--status", "old"}, `status is "old": want one of active`},
		{[]string{"list", "--sort", "size"}, `sort is "size": want one of`},
		{[]string{"list", "--cursor", "abc"}, "cursor is"},
		{[]string{"events", "--action", "explode"}, `--action is "explode": want one of`},
		{[]string{"events", "--before", "0"}, `--before is "0": want a whole number`},
		{[]string{"show"}, "show needs the ID of a session"},
		{[]string{"show", ""}, "session id is empty"},
		{[]string{"show", "1", "2"}, `show takes the ID of a session and no more, got "2"`},
		{[]string{"reactivate"}, "reactivate needs the ID of a session, or --run"},
		{[]string{"reactivate", "1", "--run", "R"}, `reactivate takes no argument, got "1"`},
		{[]string{"reactivate", "--run", ""}, `--run is "": want a value`},
		{[]string{"auto-cleanup", "1"}, "auto-cleanup needs on or off"},
		{[]string{"auto-cleanup"}, "auto-cleanup needs the ID of a session and on or off"},
		{[]string{"tag", "1"}, "tag needs tags such as +vip or -test"},
		{[]string{"tag", "1", "+VIP"}, `tag is "VIP": want 1 to 50 characters`},
		{[]string{"tag", "1", "+vip", "-vip"}, `"vip" is to be added and removed`},
		{[]string{"auto-cleanup", "1", "maybe"}, `auto-cleanup is "maybe": want on or off`},
		{[]string{"expire", "1"}, "expire needs a time or never"},
		{[]string{"expire", "1", "tomorrow"}, `expiry is "tomorrow": want a time such as`},
		{[]string{"expire", "1", "+"}, `expiry is "+"`},
		{[]string{"expire", "1", "+-2h"}, `expiry is "+-2h"`},
		{[]string{"expire", "1", "+1e9w"}, `expiry is "+1e9w"`},
		{[]string{"expire", "1", "+NaNd"}, `expiry is "+NaNd"`},
		{[]string{"expire", "1", "2026-02-30"}, `expiry is "2026-02-30"`},
		{[]string{"expire", "1", "0001-01-02"}, "want a time from 1970 to 9999"},
		{[]string{"stats", "--max-due", "5"}, "--max-due has no effect without --check"},
		{[]string{"stats", "--check", "--min-activity", "101"}, `--min-activity is "101": want a number from 0 to 100`},
		{[]string{"stats", "--check", "--max-age", "-1h"}, `--max-age is "-1h": want a duration such as`},
		{[]string{"uninstall"}, "uninstall needs a confirmation: run it on a terminal, or add --yes"},
		{[]string{"completion", "tcsh"}, `unknown shell "tcsh": want one of bash, fish, powershell, zsh`},
		{[]string{"completion"}, "completion needs a shell"},
		{[]string{"demo", "--json"}, "no --json"},
		{[]string{"serve", "--every", "0s"}, "want a positive duration"},
		{[]string{"serve", "--every", "sometimes"}, `--every is "sometimes": want a duration such as 90m, 36h, 7d or 2w, or never`},
		{[]string{"serve", "--every", "never"}, "it needs --addr and --tokens"},
		{[]string{"serve", "--every", "never", "--jitter", "1h"}, "want a positive duration"},
		{[]string{"serve", "--every", "1h", "--jitter", "2h"}, "a jitter up to it"},
		{[]string{"serve", "--every", "1h", "--cron-expr", "0 3 * * *"}, "without --every"},
		{[]string{"serve", "--cron-expr", "61 * * * *"}, `--cron-expr is "61 * * * *"`},
		{[]string{"serve", "--cron-expr", "0 0 30 2 *"}, "there is no such day"},
		{[]string{"serve", "--cron-expr", "TZ=UTC 0 3 * * *"}, "is set by --time-zone"},
		{[]string{"serve", "--cron-expr", ""}, `--cron-expr is "": want a value`},
		{[]string{"serve", "--cron-expr", "@daily", "--time-zone", "Mars/Olympus"}, `--time-zone is "Mars/Olympus"`},
		{[]string{"serve", "--time-zone", "UTC"}, "belong together"},
		{[]string{"stats", "--schema", file("nowhere.json")}, "no such file"},
		{[]string{"stats", "--schema", u.dir}, "--schema"},
		{[]string{"stats", "--schema", file("broken.json")}, "the schema cannot be read: it ends too early"},
		{[]string{"stats", "--schema", file("typo.json")}, `unknown field "tabel"`},
		{[]string{"stats", "--schema", file("injection.json")}, "schema.table is"},
		{[]string{"stats", "-d", "oracle://root@localhost/app"}, `unknown scheme "oracle"`},
		{[]string{"stats", "-d", "app.db"}, "has no scheme"},
		{[]string{"stats", "-d", "sqlite:"}, "the path of a file"},
		{[]string{"stats", "-d", "memory:there"}, "nothing after it"},
		{[]string{"stats", "-d", "sqlite:" + file("nowhere.db")}, "there is no file"},
		{[]string{"migrate", "-d", "sqlite:" + file("new.db?mode=rwc")}, "options after a question mark"},
		{[]string{"migrate", "--app-role", "app"}, `AppRole (--app-role) is "app": want none`},
		{[]string{"migrate", "--cleaner-role", "app"}, `CleanerRole (--cleaner-role) is "app": want none`},
		{[]string{"stats", "--name", "Carts"}, "--name"},
		{[]string{"cleanup", "-d", "sqlite://" + file("nowhere.db")}, "there is no file"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			t.Parallel()
			if got := u.calls(c.args...).want(t, exitUsage, c.says); got.out != "" {
				t.Errorf("a mistake printed %q on standard output", got.out)
			}
		})
	}
}

func TestWrongEnvironmentIsWrongUsage(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"SESSION_INACTIVE_HOURS": "a day", "SESSION_DELETE_DAYS": "-1",
		"SESSION_CLEANUP_ENABLED": "perhaps", "SESSION_AUTO_CLEANUP_DEFAULT": "2",
	} {
		s := newSQLiteService(t)
		u := newUser(t, map[string]string{envDatabase: s.url, name: value})
		for _, verb := range []string{"stats", "migrate", "cleanup"} {
			u.calls(verb).want(t, exitUsage, name, value)
		}
	}
	u, _ := migrated(t)
	u.vars["SESSION_INACTIVE_HOUR"], u.vars["SESSION_SECRET"], u.vars["SESSION_LIFETIME"] = "48", "x", "120"
	got := u.calls("stats").want(t, exitDone, "SESSION_INACTIVE_HOUR has no effect, did you mean SESSION_INACTIVE_HOURS?")
	if strings.Contains(got.err, "SECRET") || strings.Contains(got.err, "LIFETIME") {
		t.Errorf("the application's own variables are reported: %s", got.err)
	}
	delete(u.vars, "SESSION_INACTIVE_HOUR")
	u.writes(".env", "\ufeffSESSION_DELETE_DAY=60\nSESSION_AUTO_CLEANUP_DEFAULT=false\n")
	u.calls("cleanup", "--dry-run").want(t, exitDone, "did you mean SESSION_DELETE_DAYS?", "SESSION_AUTO_CLEANUP_DEFAULT differs from the database and has no effect until")
	u.calls("migrate").want(t, exitDone)
	if got := u.calls("stats").want(t, exitDone); strings.Contains(got.err, "AUTO_CLEANUP") {
		t.Errorf("a stored setting is reported: %s", got.err)
	}
	newUser(t, nil).calls("stats").want(t, exitUsage, "no database: set --database or DATABASE_URL")
}

func TestUnknownSessionIsAFailure(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	for _, args := range [][]string{
		{"show", "999"}, {"show", "no such id"}, {"deactivate", "999"}, {"reactivate", "999"}, {"touch", "999"},
		{"delete", "999", "--yes"}, {"auto-cleanup", "999", "off"}, {"expire", "999", "never"}, {"show", "1'; DROP TABLE sessions; --"},
	} {
		if got := u.calls(args...).want(t, exitFailed, "session not found"); got.out != "" {
			t.Errorf("%v printed %q on standard output", args, got.out)
		}
	}
}

func TestDatabaseThatIsNotReadyIsAFailureThatNamesTheRemedy(t *testing.T) {
	t.Parallel()
	s := newSQLiteService(t)
	u := newUser(t, map[string]string{envDatabase: s.url})
	for _, args := range [][]string{{"validate"}, {"stats"}, {"cleanup"}, {"list"}, {"serve"}, {"show", "1"}, {"events"}} {
		u.calls(args...).want(t, exitFailed, "not installed", "run migrate")
	}
	u.vars[envDatabase] = "sqlite:" + u.writes("notes.txt", strings.Repeat("these are notes, not a database\n", 100))
	for _, args := range [][]string{{"migrate"}, {"stats"}, {"inspect"}} {
		u.calls(args...).want(t, exitUsage, "not a SQLite database")
	}
	schema := u.writes("schema.json", `{"table": "rooms"}`)
	u.calls("migrate", "-d", s.url, "--schema", schema).want(t, exitUsage, "rooms")
	u.vars[envDatabase] = "memory:"
	for _, args := range [][]string{{"validate"}, {"inspect"}, {"uninstall", "--yes"}} {
		u.calls(args...).want(t, exitFailed, "no database to "+args[0])
	}
	u.calls("migrate").want(t, exitDone, "Nothing to migrate")
}

func TestPasswordIsNeverShown(t *testing.T) {
	t.Parallel()
	const secret = "hunter2/S3cr%t"
	for name, url := range map[string]string{
		"unreachable":        "postgres://app:hunter2%2FS3cr%25t@127.0.0.1:1/app?connect_timeout=1",
		"not encoded":        "postgres://app:" + secret + "@127.0.0.1:1/app",
		"bad port":           "postgres://app:hunter2%2FS3cr%25t@127.0.0.1:port/app",
		"slash":              "postgres://app:hunter2/S3crt@127.0.0.1/app",
		"digits and a slash": "postgres://app:12/hunter2@127.0.0.1/app",
		"unknown setting":    "postgres://app:hunter2%2FS3cr%25t@127.0.0.1:1/app?sslmode=perhaps",
		"in a parameter":     "postgres://app@127.0.0.1:1/app?password=hunter2&sslmode=perhaps",
		"keywords":           "host=127.0.0.1 password=hunter2",
		"unknown scheme":     "oracle://app:hunter2@127.0.0.1/app",
		"no MariaDB there":   "mysql://app:hunter2@127.0.0.1:1/app?timeout=1s",
		"no slashes":         "postgres:app:hunter2@127.0.0.1/app",
		"bad host":           "postgres://app:hunter2@[::1/app",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, args := range [][]string{{"stats"}, {"cleanup", "--cron"}, {"migrate", "--verbose"}, {"serve"}} {
				got := newUser(t, map[string]string{envDatabase: url}).calls(args...)
				if got.code == exitDone || got.err == "" {
					t.Errorf("%v on a URL that cannot work: code %d, %q", args, got.code, got.err)
				}
				for _, part := range []string{"hunter2", "S3cr"} {
					if strings.Contains(got.out+got.err, part) {
						t.Errorf("%v shows the password: %s%s", args, got.out, got.err)
					}
				}
			}
		})
	}
	u := newUser(t, nil)
	u.writes(".env", "DATABASE_URL=postgres://app:hunter2@localhost/app\nhunter2 without a name\n")
	if got := u.calls("stats").want(t, exitUsage, ".env cannot be read"); strings.Contains(got.err, "hunter2") {
		t.Errorf("an unreadable .env shows the password: %s", got.err)
	}
}

func TestHelpNamesExitCodesAndEveryVerb(t *testing.T) {
	t.Parallel()
	u := newUser(t, nil)
	help := u.calls("--help").want(t, exitDone, "0 done, 1 failed, 2 wrong usage, 3 an alert holds", "130 interrupted", "DATABASE_URL")
	for _, verb := range []string{
		"migrate", "inspect", "validate", "uninstall", "stats", "list", "show", "cleanup", "deactivate", "reactivate", "delete",
		"auto-cleanup", "tag", "tags", "expire", "touch", "events", "serve", "demo", "version", "completion",
	} {
		if !strings.Contains(help.out, "\n  "+verb+" ") {
			t.Errorf("the help does not name %s", verb)
		}
		byFlag := u.calls(verb, "--help").want(t, exitDone, "Usage:\n  sessioncleanup "+verb, "Exit codes")
		if byVerb := u.calls("help", verb).want(t, exitDone); byVerb != byFlag {
			t.Errorf("help %s differs from %s --help", verb, verb)
		}
	}
	if bare := u.calls(); bare != help {
		t.Error("the command alone does not print its help")
	}
	u.calls("help").want(t, exitDone, "Usage:")
}

func TestVersionAndCompletionNeedNoDatabase(t *testing.T) {
	t.Parallel()
	u := newUser(t, nil)
	u.calls("version").want(t, exitDone, "sessioncleanup ", "go1.")
	u.calls("--version").want(t, exitDone, "sessioncleanup version ")
	if v := decode[versionInfo](t, u.calls("version", "--json")); v.Version == "" || v.Go == "" {
		t.Errorf("version --json prints %+v", v)
	}
	for shell := range shells {
		u.calls("completion", shell).want(t, exitDone, "sessioncleanup")
	}
	u.calls("__complete", "cleanup", "--in").want(t, exitDone, "--inactive-hours")
	u.calls("__complete", "list", "--status", "to_").want(t, exitDone, "to_deactivate", "to_delete")
	u.calls("__complete", "auto-cleanup", "1", "").want(t, exitDone, "on\noff")
}
