package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// report is what there is to say about a run, also about one that ended with an error.
type report struct {
	*app
	policy sessioncleanup.Policy
	result sessioncleanup.Result
	err    error
}

// skipped says why a run was not meant to happen now, which is no failure; empty when there is no such reason.
func (r report) skipped() string {
	held, isHeld := errors.AsType[*sessioncleanup.LeaseHeldError](r.err)
	switch {
	case isHeld:
		return fmt.Sprintf("another run is at work, until %s at the latest unless it renews its lease", moment(held.Until))
	case errors.Is(r.err, sessioncleanup.ErrDisabled):
		return "cleanup is disabled, by " + sessioncleanup.EnvEnabled + " or the stored policy"
	default:
		return ""
	}
}

// failure is the error that the command ends with.
func (r report) failure() error {
	switch {
	case r.skipped() != "":
		return nil
	case errors.Is(r.err, sessioncleanup.ErrTooMany):
		return fmt.Errorf("%w (--force)", r.err)
	case r.err == nil && r.result.Failed > 0:
		return fmt.Errorf("%s could not be changed", sessionCount(r.result.Failed))
	default:
		return r.err
	}
}

// changed is how many sessions the run changed, or would change.
func (r report) changed() int { return r.result.Deleted + r.result.Deactivated }

// words reports to a person.
func (r report) words() error {
	if why := r.skipped(); why != "" {
		return r.say("%s. Nothing was done.\n", capital(why))
	}
	if errors.Is(r.err, context.Canceled) && r.changed() > 0 {
		if err := r.say("Interrupted with %s of %s done; the next run goes on from there.\n", number(r.changed()), sessionCount(r.result.Due)); err != nil {
			return err
		}
	}
	if r.err == nil || r.changed()+r.result.Failed > 0 {
		if err := r.printResult(r.policy, r.result); err != nil {
			return errors.Join(r.err, err)
		}
	}
	return r.failure()
}

// line reports to a log: one line when something was done, none otherwise.
func (r report) line() error {
	if r.changed() > 0 {
		verb := "deleted %s, deactivated %s, in %s, run %s"
		if r.result.DryRun {
			verb = "would delete %s, deactivate %s"
		}
		values := []any{sessionCount(r.result.Deleted), number(r.result.Deactivated), r.result.Duration.Round(time.Millisecond), r.result.RunID}
		line := fmt.Sprintf(verb, values[:strings.Count(verb, "%s")]...)
		if err := r.say("%s %s\n", time.Now().Format(time.RFC3339), line); err != nil {
			return errors.Join(r.err, err)
		}
	}
	return r.failure()
}

// jsonReport is a Result with what else a program wants to know.
type jsonReport struct {
	sessioncleanup.Result
	Skipped string `json:"skipped,omitempty"` // why there was no run
	Error   string `json:"error,omitempty"`
}

// json reports to a program. Under cron it is one line, and none when there was nothing to do.
func (r report) json(cron bool) error {
	out := jsonReport{Result: r.result, Skipped: r.skipped()}
	failure := r.failure()
	if failure != nil {
		out.Error = failure.Error()
	}
	if !cron {
		return errors.Join(failure, r.printJSON(out))
	}
	if r.changed() == 0 {
		return failure
	}
	return errors.Join(failure, json.NewEncoder(r.out).Encode(out))
}

// capital makes a sentence begin.
func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
