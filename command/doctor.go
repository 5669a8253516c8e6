package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/store"
)

// status is how a finding is; the worst decides the exit code.
type status string

const (
	statusOK      status = "ok"
	statusWarning status = "warning"
	statusProblem status = "problem"
)

func (s status) rank() int {
	return map[status]int{statusOK: 0, statusWarning: 1, statusProblem: 2}[s]
}

// finding is one line of doctor's report.
type finding struct {
	Check   string `json:"check"`
	Status  status `json:"status"`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}

// examination is what doctor found so far.
type examination struct {
	findings []finding
	maxAge   time.Duration
}

func (e *examination) found(check string, s status, message, fix string) {
	e.findings = append(e.findings, finding{Check: check, Status: s, Message: message, Fix: fix})
}

// worst is the worst status of a check, or of all with an empty one.
func (e *examination) worst(check string) status {
	worst := statusOK
	for _, f := range e.findings {
		if (check == "" || f.Check == check) && f.Status.rank() > worst.rank() {
			worst = f.Status
		}
	}
	return worst
}

const doctorHelp = `doctor examines everything that cleanups depend on, and names what is wrong with the next step:
  database      it can be reached, and its version fits this one
  installation  what migrate adds is there, and the tables can be read: triggers, indexes, times, foreign keys
  rights        the role has the rights that runs need
  tracking      rows of the activity tables count as activity, tried in a transaction that is rolled back
  clock         the clocks of the database and of this machine agree
  policy        cleanups are allowed
  runs          the last run was not longer ago than --max-age, and succeeded
  sessions      how many are due, and whether some never will be

It changes nothing. The exit code follows the worst finding: 0 all is well, 3 a warning, 1 a problem.`

func (a *app) doctor() *cobra.Command {
	maxAge := span(defaultMaxAge)
	cmd := &cobra.Command{
		Use:        "doctor",
		SuggestFor: []string{"check", "diagnose", "health"},
		Short:      "Find what is wrong with an installation, and say what to do",
		Long:       doctorHelp,
		Example: `  sessioncleanup doctor
  sessioncleanup doctor --max-age 8d --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.databaseURL() == "" {
				_, err := a.open(cmd.Context(), store.Config{})
				return err
			}
			e := &examination{maxAge: time.Duration(maxAge)}
			a.examine(cmd.Context(), e)
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			return a.reportExamination(e)
		},
	}
	cmd.Flags().Var(&maxAge, "max-age", "a last run longer ago is a problem: what the schedule allows, with time to spare")
	return cmd
}

// examine fills e. It leaves out parts that an earlier problem keeps it from examining.
func (a *app) examine(ctx context.Context, e *examination) {
	warnings := &collected{}
	db, err := a.openExisting(ctx, store.Config{Logger: slog.New(warnings)})
	if err != nil {
		e.fail("database", err)
		return
	}
	defer func() { _ = db.Close() }() // nothing is left to write
	policy, err := a.policy()
	var config sessioncleanup.Config
	if err == nil {
		config, err = a.config(ctx, db, policy)
	}
	var m *sessioncleanup.Manager
	if err == nil {
		m, err = sessioncleanup.New(db, config)
	}
	if err == nil {
		_, err = m.Now(ctx)
	}
	if err != nil {
		e.fail("database", err)
		return
	}
	e.found("database", statusOK, "the database responds; sessioncleanup "+buildVersion().Version, "")
	e.examineInstallation(ctx, db, a.installation(), warnings)
	e.examineStore(ctx, db)
	e.examineFigures(ctx, m)
}

// examineInstallation has the store validate itself.
func (e *examination) examineInstallation(ctx context.Context, db sessioncleanup.Store, name string, warnings *collected) {
	const check = "installation"
	installer, ok := sessioncleanup.InstallerOf(db)
	if !ok {
		e.found(check, statusOK, "this store needs none", "")
		return
	}
	for _, err := range each(installer.Validate(ctx)) {
		e.fail(check, err)
	}
	for _, message := range warnings.messages {
		e.found(check, statusWarning, message, "do what the message says; migrate prints it, too")
	}
	if all, err := installations(ctx, db); err == nil {
		if words := installationWords(all, name); words != "" {
			e.found(check, statusOK, "the database has several tables of sessions: "+words, "")
		}
	}
	if e.worst(check) == statusOK {
		e.found(check, statusOK, "everything that migrate adds is there, and the tables can be read", "")
	}
}

// examineStore tries tracking and rights.
func (e *examination) examineStore(ctx context.Context, db sessioncleanup.Store) {
	prober, ok := sessioncleanup.ProberOf(db)
	if !ok {
		return
	}
	probe, err := prober.Probe(ctx)
	switch {
	case errors.Is(err, sessioncleanup.ErrNotInstalled), errors.Is(err, sessioncleanup.ErrNewerSchema): // known by now
		return
	case errors.Is(err, sessioncleanup.ErrUnavailable):
		e.fail("rights", err)
		return
	case err != nil:
		e.found("rights", statusProblem, err.Error(), "let runs write to the database")
		return
	case len(probe.Denied) > 0:
		e.found("rights", statusProblem, "the role lacks "+rights(probe.Denied),
			"grant them: on PostgreSQL, as the owner of the tables, sessioncleanup migrate --cleaner-role ROLE; on MariaDB, GRANT")
	default:
		e.found("rights", statusOK, "the role has the rights that runs need", "")
	}
	for _, table := range probe.Unnoticed {
		e.found("tracking", statusProblem, "rows of "+table+" do not count as activity: sessions that are in use will be cleaned up",
			"sessioncleanup migrate; and let no connection turn triggers off (on PostgreSQL: session_replication_role)")
	}
	for _, table := range probe.Untried {
		e.found("tracking", statusOK, "not tried: "+table, "")
	}
	if len(probe.Unnoticed)+len(probe.Untried) == 0 {
		e.found("tracking", statusOK, "rows of the activity tables count as activity", "")
	}
}

// examineFigures looks at the clock, the policy, the runs and the sessions.
func (e *examination) examineFigures(ctx context.Context, m *sessioncleanup.Manager) {
	if m.Policy().Enabled.Or(true) {
		e.found("policy", statusOK, "cleanups are allowed", "")
	} else {
		e.found("policy", statusProblem, "cleanups are disabled", "set "+sessioncleanup.EnvEnabled+"=true, and migrate if the stored policy has it off")
	}
	stats, err := m.Stats(ctx, "")
	if err != nil {
		if e.worst("") != statusProblem { // else it is known why
			e.fail("sessions", err)
		}
		return
	}
	alerts := append(m.Policy().Alerts(stats), scheduleAlerts(stats, e.maxAge)...)
	for _, alert := range alerts {
		if known, ok := alertFindings[alert.Code]; ok {
			e.found(known.Check, known.Status, alert.Message, known.Fix)
		}
	}
	if stats.NeverDue > 0 && !stats.Cutoffs.Untracked {
		e.found("sessions", statusWarning, sessionCount(stats.NeverDue)+" can never become due: their last activity cannot be read, or is kept forever",
			"set their last activity, or protect them with auto-cleanup off")
	}
	if stats.Cutoffs.Untracked {
		e.found("tracking", statusWarning, "the table is untracked: nothing shows when its sessions are used",
			"name a column or a table that shows activity in a file for migrate --schema, or migrate --untracked")
	}
	for _, well := range []finding{
		{Check: "clock", Message: "the clocks agree"}, {Check: "runs", Message: "the last run was in time and succeeded"},
		{Check: "sessions", Message: "no alert holds for their figures"},
	} {
		if e.worst(well.Check) == statusOK {
			e.found(well.Check, statusOK, well.Message, "")
		}
	}
}

// rights lists rights such as "DELETE on rooms" with those on one object together: "SELECT, DELETE on rooms; UPDATE on votes".
func rights(denied []string) string {
	var objects, of []string // of has the rights on the object at the same index
	for _, d := range denied {
		right, object, _ := strings.Cut(d, " on ")
		if i := slices.Index(objects, object); i >= 0 && object != "" {
			of[i] += ", " + right
			continue
		}
		objects, of = append(objects, object), append(of, right)
	}
	for i, object := range objects {
		if object != "" {
			of[i] += " on " + object
		}
	}
	return strings.Join(of, "; ")
}

// alertFindings are what doctor makes of alerts. That few sessions are active is no fault of an installation.
var alertFindings = map[sessioncleanup.AlertCode]finding{
	sessioncleanup.AlertTooManyDue: {"sessions", statusWarning, "", "sessioncleanup cleanup --dry-run, then cleanup"},
	sessioncleanup.AlertClockWrong: {"clock", statusProblem, "", "correct the wrong clock; runs refuse it unless --ignore-clock trusts the database's"},
	sessioncleanup.AlertCleanupFailed: {"runs", statusProblem, "",
		"do what the error says, then sessioncleanup cleanup; for the deletion limit: list --status to_delete, then cleanup --force=N"},
	sessioncleanup.AlertCleanupIncomplete: {"runs", statusWarning, "", "sessioncleanup cleanup names the sessions and the reason"},
	alertOverdue:                          {"runs", statusProblem, "", "schedule runs: sessioncleanup serve, or cron; see docs/guide.md"},
	alertIdle:                             {"runs", statusWarning, "", "sessioncleanup cleanup names the sessions and the reason"},
}

// fail adds an error with the next step for its kind.
func (e *examination) fail(check string, err error) {
	fix := "do what the message says; the database is that of --database or " + envDatabase
	switch {
	case errors.Is(err, sessioncleanup.ErrNewerSchema):
		fix = "install the newer version of sessioncleanup that migrated the database"
	case errors.Is(err, sessioncleanup.ErrNotInstalled) && errors.Is(err, sessioncleanup.ErrInvalid): // an installation that is not trusted as it is
		fix = "do what the message says; migrate would begin another installation"
	case errors.Is(err, sessioncleanup.ErrNotInstalled):
		fix = "sessioncleanup migrate"
	case errors.Is(err, sessioncleanup.ErrUnavailable):
		fix = "do what the message says; when the database cannot be reached, start the database, or correct --database or " + envDatabase
	case check == "database" && !errors.Is(err, sessioncleanup.ErrInvalid):
		fix = "correct --database or " + envDatabase
	case check != "database" && errors.Is(err, sessioncleanup.ErrInvalid):
		fix = "correct the rows or the table that the message names, then sessioncleanup validate"
	}
	e.found(check, statusProblem, err.Error(), fix)
}

// each is the errors that are joined in one, with what wraps all of them removed; none for nil.
func each(err error) []error {
	if err == nil {
		return nil
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		joined, ok := inner.(interface{ Unwrap() []error })
		if !ok {
			continue
		}
		var all []error
		texts := []string{}
		for _, one := range joined.Unwrap() {
			all, texts = append(all, each(one)...), append(texts, one.Error())
		}
		if inner.Error() == strings.Join(texts, "\n") { // errors.Join; an error that wraps two others is one
			return all
		}
		break
	}
	return []error{err}
}

func (a *app) reportExamination(e *examination) error {
	worst := e.worst("")
	var err error
	if a.json {
		err = a.printJSON(struct {
			Status   status      `json:"status"`
			Version  versionInfo `json:"version"`
			Findings []finding   `json:"findings"`
		}{worst, buildVersion(), e.findings})
	} else {
		err = a.printExamination(e)
	}
	switch {
	case err != nil:
		return err
	case worst == statusProblem:
		return errProblem
	case worst == statusWarning:
		return errAlert
	default:
		return nil
	}
}

func (a *app) printExamination(e *examination) error {
	var b strings.Builder
	colors := map[status]color{statusOK: green, statusWarning: yellow, statusProblem: red}
	for _, f := range e.findings {
		line := string(f.Status) + strings.Repeat(" ", len(statusProblem)-len(f.Status))
		fmt.Fprintf(&b, "%s  %-12s  %s\n", a.paint(colors[f.Status], line), f.Check, printable(strings.ReplaceAll(f.Message, "\n", "; ")))
		if f.Fix != "" {
			fmt.Fprintf(&b, "%23s  fix: %s\n", "", f.Fix)
		}
	}
	return a.print(b.String())
}

// collected keeps the messages of a log, for a report.
type collected struct{ messages []string }

// Enabled reports whether records of a level are kept: warnings.
func (c *collected) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle keeps a record.
func (c *collected) Handle(_ context.Context, r slog.Record) error {
	message := r.Message
	r.Attrs(func(attr slog.Attr) bool {
		message += ", " + attr.Key + ": " + attr.Value.String()
		return true
	})
	c.messages = append(c.messages, cmp.Or(message, "a warning without a text"))
	return nil
}

// WithAttrs returns the handler itself: stores add no attributes to all records.
func (c *collected) WithAttrs([]slog.Attr) slog.Handler { return c }

// WithGroup returns the handler itself: so it is with groups.
func (c *collected) WithGroup(string) slog.Handler { return c }
