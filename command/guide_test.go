package command

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/netresearch/go-cron"
)

// The guides are executed like by a new user: every block, in order, in an empty directory, with the built command.

// block is a fenced block of a guide.
type block struct {
	kind string // the word after the fence
	text string
}

var fence = regexp.MustCompile("(?s)\n```(\\w+)\n(.*?\n)```\n")

func blocks(t *testing.T, path string) []block {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var found []block
	for _, match := range fence.FindAllSubmatch(content, -1) {
		found = append(found, block{string(match[1]), string(match[2])})
	}
	return found
}

// services are one on each database, not migrated yet.
var services = map[string]func(testing.TB) *service{"SQLite": newSQLiteService, "PostgreSQL": newPostgresService, "MariaDB": newMySQLService}

// The French guide has the same blocks.
func TestTheGuideWorksAsWritten(t *testing.T) {
	t.Parallel()
	for name, make := range services {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newReader(t, make(t)).plays(blocks(t, "../docs/guide.md"))
		})
	}
}

func TestGuidesHaveTheSameBlocks(t *testing.T) {
	t.Parallel()
	comment := regexp.MustCompile(`(?m)^#.*\n`)
	english, french := blocks(t, "../docs/guide.md"), blocks(t, "../docs/guide.fr.md")
	for i := range max(len(english), len(french)) {
		if i >= len(english) || i >= len(french) || comment.ReplaceAllString(english[i].text, "") != comment.ReplaceAllString(french[i].text, "") {
			t.Fatalf("the guides differ from block %d on", i+1)
		}
	}
}

// reader executes the blocks of a guide.
type reader struct {
	t       *testing.T
	service *service
	dir     string
	tools   string // a folder with replacements for programs that must not really run
}

func newReader(t *testing.T, s *service) *reader {
	t.Helper()
	r := &reader{t: t, service: s, dir: t.TempDir(), tools: t.TempDir()}
	r.tool("crontab", `if [ "${1:-}" = - ]; then cat > "$0.new"; mv "$0.new" "$0.installed"; else cat "$0.installed"; fi`)
	r.tool("mail", `{ echo "$@"; cat; } >> "$0.sent"`)
	return r
}

func (r *reader) tool(name, script string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.tools, name), []byte("#!/bin/sh\nset -eu\n"+script+"\n"), 0o700); err != nil {
		r.t.Fatal(err)
	}
}

func (r *reader) plays(blocks []block) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.tools, "crontab.installed"), []byte(otherJob), 0o600); err != nil {
		r.t.Fatal(err)
	}
	played := map[string]int{}
	for _, b := range blocks {
		played[b.kind]++
		switch b.kind {
		case "env":
			r.write(".env", b.text+"DATABASE_URL='"+r.service.url+"'\n")
		case "sh":
			r.shell(b.text)
		case "sql":
			r.service.exec(r.t, b.text)
		case "pgsql":
			if r.service.driver == "pgx" {
				r.queries(b.text)
			}
		case "cron":
			r.crontab(b.text)
		case "json":
			r.scripts(b.text)
		case "console": // installs from the network
		default:
			r.t.Errorf("a block of %q cannot be executed", b.kind)
		}
	}
	if played["sh"] < 8 || played["cron"] != 1 || played["sql"] < 2 || played["pgsql"] != 1 || played["json"] != 1 {
		r.t.Errorf("the guide has too few blocks: %v", played)
	}
	installed, err := os.ReadFile(filepath.Join(r.tools, "crontab.installed"))
	if err != nil {
		r.t.Fatal(err)
	}
	if !strings.Contains(string(installed), otherJob) {
		r.t.Errorf("the guide removed another job from the crontab, which is\n%s", installed)
	}
	r.crontab(string(installed))
}

// otherJob is in the reader's crontab before the guide.
const otherJob = "30 1 * * * true\n"

func (r *reader) write(name, content string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// shell runs a script, with the logs in the reader's own directory. DATABASE_URL is only in .env, as the guide says.
func (r *reader) shell(script string) string {
	r.t.Helper()
	script = strings.ReplaceAll(script, "/var/log/", r.dir+"/")
	cmd := exec.CommandContext(r.t.Context(), "sh", "-eu", "-c", script)
	cmd.Dir = r.dir
	cmd.Env = []string{"HOME=" + r.dir, "USER=reader", "PATH=" + r.tools + ":" + filepath.Dir(binary(r.t)) + ":/usr/bin:/bin"}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		r.t.Fatalf("%v in\n%s\nwhich printed\n%s", err, script, output.String())
	}
	return output.String()
}

// scripts runs those of a package.json, as npm does: each line in a shell, with the words after "--" added.
func (r *reader) scripts(text string) {
	r.t.Helper()
	manifest := decode[struct{ Scripts map[string]string }](r.t, outcome{out: text})
	if len(manifest.Scripts) < 6 {
		r.t.Errorf("the guide has the scripts %q, want all that the original has", manifest.Scripts)
	}
	for _, line := range manifest.Scripts {
		r.shell(line)
	}
	r.shell(manifest.Scripts["session-cleanup"] + " --owner 7")
}

// queries runs the statements of a block and reads all of their rows.
func (r *reader) queries(block string) {
	r.t.Helper()
	for statement := range strings.SplitSeq(block, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if n := r.rows(statement); strings.Contains(statement, "get_session_cleanup_stats") && n != 1 {
			r.t.Errorf("%d rows of\n%s", n, statement)
		}
	}
}

// rows reads all rows of a query and counts them.
func (r *reader) rows(query string) (n int) {
	r.t.Helper()
	rows, err := r.service.db.QueryContext(r.t.Context(), query)
	if err != nil {
		r.t.Fatalf("%v in\n%s", err, query)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil {
		r.t.Fatalf("%v in\n%s", err, query)
	}
	return n
}

// crontab runs each line's command like cron, with an almost empty environment, and parses its schedule.
func (r *reader) crontab(lines string) {
	r.t.Helper()
	for line := range strings.Lines(lines) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.SplitN(line, " ", 6)
		if len(fields) != 6 {
			r.t.Fatalf("no line of a crontab: %s", line)
		}
		if _, err := cron.ParseStandard(strings.Join(fields[:5], " ")); err != nil {
			r.t.Errorf("%v in %s", err, line)
		}
		if output := r.shell(strings.ReplaceAll(fields[5], "cd /srv/app ", "cd "+r.dir+" ")); strings.Count(output, "\n") > 1 {
			r.t.Errorf("cron would mail %q for %s", output, line)
		}
	}
}

// TestOriginalLinesOfTheGuide runs the lines of the original guide, which was written for another command, in their order,
// with the words of this command.
func TestOriginalLinesOfTheGuide(t *testing.T) {
	t.Parallel()
	maintenance := func(args string) string { return "sessioncleanup cleanup " + args }
	for name, make := range services {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReader(t, make(t))
			r.write(".env", "SESSION_CLEANUP_ENABLED=true\nSESSION_INACTIVE_HOURS=24\nSESSION_DELETE_DAYS=30\nSESSION_AUTO_CLEANUP_DEFAULT=true\nDATABASE_URL='"+r.service.url+"'\n")
			for _, step := range []struct{ line, says string }{
				{"sessioncleanup migrate", "The database is ready"},                                              // npm run setup-db
				{"sessioncleanup stats", "Cleanup candidates    2"},                                              // npm run session-stats
				{"sessioncleanup cleanup --dry-run --verbose", "A run would delete 1 session and deactivate 1."}, // npm run session-cleanup-dry
				{"sessioncleanup stats", "Cleanup candidates    2"},                                              // nothing was changed
				{"sessioncleanup cleanup", "Deleted 1 session, deactivated 1"},                                   // npm run session-cleanup
				{"sessioncleanup stats", "Cleanup candidates    0"},
				{maintenance("--inactive-hours 6 --delete-days 3 --dry-run"), "A run would delete 1 session and deactivate 0."},
				{maintenance("--inactive-hours 48 --delete-days 60"), "Nothing was due."},
				{maintenance("--help"), "--inactive-hours"},
				{maintenance("--dry-run --verbose"), "Nothing is due."},
				{maintenance("--inactive-hours 1 --dry-run"), ""},
				{maintenance("--quick"), "Nothing was due."}, // npm run session-cleanup-quick
				{maintenance("--inactive-hours 6 --delete-days 3"), "Deleted 1 session"},
				{maintenance("--inactive-hours 12 --delete-days 7 --cron"), ""},
				{maintenance("--cron >> /var/log/session-cleanup.log 2>&1"), ""},
				{maintenance("--cron") + ` || echo "Session cleanup failed" | mail -s "Alert" admin@example.com`, ""},
				{`echo "0 3 * * * cd $(pwd) && sessioncleanup cleanup --cron" | crontab -`, ""},
				{"crontab -l", "sessioncleanup cleanup --cron"},
			} {
				if output := r.shell(step.line); !strings.Contains(output, step.says) {
					t.Errorf("%s printed\n%s\nwant %q", step.line, output, step.says)
				}
			}
			if r.service.driver == "pgx" {
				r.queries(`SELECT * FROM get_session_cleanup_stats();
SELECT * FROM sessions_cleanup_view WHERE cleanup_status != 'Actif';
SELECT
    streamer_name,
    COUNT(*) as total,
    COUNT(CASE WHEN active THEN 1 END) as active,
    AVG(EXTRACT(HOURS FROM (CURRENT_TIMESTAMP - last_activity))) as avg_hours_inactive
FROM sessions_cleanup_view
GROUP BY streamer_name;
SELECT * FROM cleanup_inactive_sessions();
SELECT * FROM cleanup_inactive_sessions(12, 7);
`)
			}
		})
	}
}

func TestFailedCronRunSendsMail(t *testing.T) {
	t.Parallel()
	r := newReader(t, newSQLiteService(t)) // without migrate
	r.write(".env", "DATABASE_URL='"+r.service.url+"'\n")
	r.shell(`sessioncleanup cleanup --cron || echo "Session cleanup failed" | mail -s "Alert" admin@example.com`)
	sent, err := os.ReadFile(filepath.Join(r.tools, "mail.sent"))
	if err != nil || string(sent) != "-s Alert admin@example.com\nSession cleanup failed\n" {
		t.Errorf("mail got %q: %v", sent, err)
	}
}
