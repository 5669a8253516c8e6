package command

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestJSONEscapesWhatControlsATerminalAndKeepsItsMeaning(t *testing.T) {
	t.Parallel()
	name := "a\x00\x1b[2J\x7f\u0085\u009b31m\u202e\u2066\ufeff\u200f\U000e0001 é 👩‍💻 <b>"
	for what, v := range map[string]any{"a value": sessioncleanup.Session{ID: "1", Name: name}, "a pointer": &sessioncleanup.SessionRef{Name: name}} {
		var out bytes.Buffer
		a := &app{environment: environment{out: &out}}
		if err := a.printJSON(v); err != nil {
			t.Fatal(err)
		}
		for _, r := range out.String() {
			if !unicode.IsPrint(r) && r != '\n' && r != '\u200d' {
				t.Errorf("%s: the output has %U: %q", what, r, out.String())
			}
		}
		var back struct{ Name string }
		if err := json.Unmarshal(out.Bytes(), &back); err != nil || back.Name != name {
			t.Errorf("%s: the name comes back as %q, %v; want %q", what, back.Name, err, name)
		}
	}
}

func TestTextsThatAreNotUTF8AreSpelledAndAcceptedSo(t *testing.T) {
	t.Parallel()
	u := newUser(t, map[string]string{envDatabase: "sqlite:" + t.TempDir() + "/own.db"})
	u.calls("migrate").want(t, exitDone)
	db, err := sql.Open("sqlite", strings.TrimPrefix(u.vars[envDatabase], "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	own := &service{db: db, driver: "sqlite"}
	own.exec(t, `INSERT INTO sessions (id, name, owner_id) VALUES (CAST(x'61ff62c3' AS TEXT), CAST(x'ff' AS TEXT), 'ann'), ('a\xffb', 'plain', 'ann')`)
	page := decode[sessioncleanup.SessionPage](t, u.calls("list", "--json").want(t, exitDone))
	names := map[string]string{}
	for _, s := range page.Sessions {
		names[s.ID] = s.Name
	}
	if diff := cmp.Diff(map[string]string{`a\xffb\xc3`: `\xff`, `a\xffb`: "plain"}, names); diff != "" {
		t.Errorf("sessions and their names (-want +got):\n%s", diff)
	}
	u.calls("list").want(t, exitDone, `a\xffb\xc3`)
	for id := range names {
		u.calls("deactivate", id).want(t, exitDone, id)
	}
	u.calls("deactivate", "a\xffb\xc3").want(t, exitDone)
	if n := own.count(t, "SELECT count(*) FROM sessions WHERE active"); n != 0 {
		t.Errorf("%d sessions are active, want none", n)
	}
	u.calls("show", `a\xffc`).want(t, exitFailed, "not found")
}

func TestAnErrorCannotControlTheTerminal(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	a := &app{environment: environment{err: &log}}
	a.complain("first \x1b[2J\u202e\n\tsecond")
	if got, want := log.String(), "sessioncleanup: first ·[2J·\n  second\n"; got != want {
		t.Errorf("the error is printed as %q, want %q", got, want)
	}
}

// Programs that read standard output of any verb find nothing there after an error, or JSON.
func TestAfterAnErrorStandardOutputIsEmptyOrJSON(t *testing.T) {
	t.Parallel()
	var verbs [][]string
	var walk func(c *cobra.Command, path []string)
	walk = func(c *cobra.Command, path []string) {
		if c.Runnable() && len(path) > 0 && !slices.Contains([]string{"completion", "demo", "help", "serve"}, path[0]) {
			verbs = append(verbs, path)
		}
		for _, sub := range c.Commands() {
			walk(sub, append(slices.Clip(path), sub.Name()))
		}
	}
	walk((&app{}).root(), nil)
	if len(verbs) < 25 {
		t.Fatalf("found %d verbs: %q", len(verbs), verbs)
	}
	adopted, fresh := newSQLiteService(t), newSQLiteService(t)
	newUser(t, map[string]string{envDatabase: adopted.url}).calls("migrate").want(t, exitDone)
	failed := 0
	for _, url := range []string{"", "sqlite:" + filepath.Join(t.TempDir(), "missing.db"), fresh.url, adopted.url} {
		for _, verb := range verbs {
			for _, rest := range [][]string{nil, {"no-such-thing"}, {"--no-such-flag"}} {
				u := newUser(t, map[string]string{envDatabase: url})
				out := u.calls(append(append(slices.Clip(verb), "--json"), rest...)...)
				if out.code == exitDone {
					continue
				}
				failed++
				if out.out != "" && !json.Valid([]byte(out.out)) {
					t.Errorf("%q %q on %q: exit code %d, standard output is no JSON: %q", verb, rest, url, out.code, out.out)
				}
				if out.out == "" && out.err == "" {
					t.Errorf("%q %q on %q: exit code %d and no word", verb, rest, url, out.code)
				}
			}
		}
	}
	if failed < 150 {
		t.Errorf("%d calls failed, want most of them", failed)
	}
}
