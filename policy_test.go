package sessioncleanup_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestPolicyDefaultsAreTheGuides(t *testing.T) {
	t.Parallel()
	want := sessioncleanup.Policy{
		InactiveAfter: 24 * time.Hour, DeleteAfter: 30 * 24 * time.Hour, WarnBefore: sessioncleanup.Never, Undeliverable: sessioncleanup.UndeliverableHold,
		AutoCleanupDefault: sessioncleanup.On, ReactivateOnActivity: sessioncleanup.Off, Enabled: sessioncleanup.On,
		TouchInterval: time.Minute, BatchSize: 5000, BatchBudget: 50 * time.Millisecond, BusyShare: 0.5,
		MaxDeleteFraction: 0.5, EventsKeep: 90 * 24 * time.Hour,
		Archive: sessioncleanup.Off, ArchiveKeep: 30 * 24 * time.Hour, ArchiveMaxRows: 100_000, ArchiveMaxBytes: 64 << 20, Backup: sessioncleanup.Off,
		AlertDue: 100, AlertUseRate: 0.05, // and not the guide's 50 % active
	}
	if diff := cmp.Diff(want, sessioncleanup.Policy{}.WithDefaults()); diff != "" {
		t.Errorf("WithDefaults (-want +got):\n%s", diff)
	}
}

func TestPolicyValidateNamesFieldAndValue(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]sessioncleanup.Policy{
		"":                           {},
		"Policy.InactiveAfter is -2": {InactiveAfter: -2},
		"Policy.DeleteAfter is -1h":  {DeleteAfter: -time.Hour},
		"Policy.EventsKeep is -3ns":  {EventsKeep: -3},
		"Policy.TouchInterval is -1ns: want a positive duration":               {TouchInterval: sessioncleanup.Never},
		"Policy.BatchBudget is -1s":                                            {BatchBudget: -time.Second},
		"Policy.InactiveAfter is 2400000h0m0s: want at most":                   {InactiveAfter: 2400000 * time.Hour},
		"Policy.BatchSize is -5":                                               {BatchSize: -5},
		"Policy.AlertDue is -1":                                                {AlertDue: -1},
		"Policy.ArchiveKeep is -2ns: want a positive duration, or":             {ArchiveKeep: -2},
		"Policy.WarnBefore is -2ns":                                            {WarnBefore: -2},
		"Policy.WarnBefore is 720h0m0s: want less than DeleteAfter, 720h0m0s":  {WarnBefore: 30 * 24 * time.Hour},
		"Policy.WarnBefore is 72h0m0s: want less than DeleteAfter, 48h0m0s":    {WarnBefore: 72 * time.Hour, DeleteAfter: 48 * time.Hour},
		`Policy.Undeliverable is "delete": want hold or proceed`:               {Undeliverable: "delete"},
		"Policy.ArchiveMaxRows is -1":                                          {ArchiveMaxRows: -1},
		"Policy.ArchiveMaxBytes is -1":                                         {ArchiveMaxBytes: -1},
		"Policy.Archive is 3: want Default, On or Off":                         {Archive: 3},
		"Policy.Rate is NaN":                                                   {Rate: math.NaN()},
		"Policy.Rate is -1":                                                    {Rate: -1},
		"Policy.BusyShare is 2: want a fraction":                               {BusyShare: 2},
		"Policy.MaxDeleteFraction is 1.5: want a fraction":                     {MaxDeleteFraction: 1.5},
		"Policy.AlertUseRate is 1.1":                                           {AlertUseRate: 1.1},
		"Policy.AlertActivityRate is 1.5: want a fraction above 0 and up to 1": {AlertActivityRate: 1.5},
		"Policy.Enabled is 7: want Default, On or Off":                         {Enabled: 7},
		"Policy.ReactivateOnActivity is -1: want Default, On or ":              {ReactivateOnActivity: -1},
	} {
		err := p.Validate()
		switch {
		case want == "" && err != nil:
			t.Errorf("the zero policy is refused: %v", err)
		case want != "" && (!errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), want)):
			t.Errorf("Validate(%+v) = %v, want ErrInvalid with %q", p, err, want)
		}
	}
	never := sessioncleanup.Policy{InactiveAfter: sessioncleanup.Never, DeleteAfter: sessioncleanup.Never, EventsKeep: sessioncleanup.Never}
	if err := never.Validate(); err != nil {
		t.Errorf("Never is refused: %v", err)
	}
}

func TestPolicyFromEnvReadsTheGuidesVariables(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"SESSION_CLEANUP_ENABLED": "false", "SESSION_INACTIVE_HOURS": "1.5",
		"SESSION_DELETE_DAYS": "never", "SESSION_AUTO_CLEANUP_DEFAULT": "TRUE", "SESSION_ARCHIVE": "yes", "SESSION_ARCHIVE_DAYS": "0.5",
		"SESSION_WARN_DAYS": "7", "SESSION_UNDELIVERABLE": "Proceed",
	}
	got, err := sessioncleanup.PolicyFromEnv(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	want := sessioncleanup.Policy{
		Enabled: sessioncleanup.Off, InactiveAfter: 90 * time.Minute,
		DeleteAfter: sessioncleanup.Never, AutoCleanupDefault: sessioncleanup.On,
		Archive: sessioncleanup.On, ArchiveKeep: 12 * time.Hour,
		WarnBefore: 7 * 24 * time.Hour, Undeliverable: sessioncleanup.UndeliverableProceed,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("PolicyFromEnv (-want +got):\n%s", diff)
	}
}

func TestPolicyFromEnvRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"SESSION_CLEANUP_ENABLED":      {"maybe", "2"},
		"SESSION_AUTO_CLEANUP_DEFAULT": {"oui"},
		"SESSION_INACTIVE_HOURS":       {"24h", "-1", "0", "NaN", "Inf", "1e300", "1e-300", "x"},
		"SESSION_DELETE_DAYS":          {"thirty", "-30", "1e9"},
		"SESSION_ARCHIVE":              {"on request"},
		"SESSION_WARN_DAYS":            {"0", "a week"},
		"SESSION_UNDELIVERABLE":        {"delete"},
		"SESSION_ARCHIVE_DAYS":         {"0", "a month"},
	} {
		for _, value := range values {
			_, err := sessioncleanup.PolicyFromEnv(func(asked string) string {
				if asked == name {
					return value
				}
				return ""
			})
			if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), value) {
				t.Errorf("%s=%s: error %v, want ErrInvalid that names both", name, value, err)
			}
		}
	}
}

func TestCutoffsAllowForTheTouchInterval(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 29, 2, 30, 0, 123_999_999, time.FixedZone("CEST", 7200))
	c := sessioncleanup.Policy{InactiveAfter: time.Hour, DeleteAfter: 24 * time.Hour}.CutoffsAt(now)
	want := sessioncleanup.Cutoffs{
		Now:      time.Date(2026, 3, 29, 0, 30, 0, 123_000_000, time.UTC),
		Inactive: time.Date(2026, 3, 28, 23, 29, 0, 123_000_000, time.UTC),
		Delete:   time.Date(2026, 3, 28, 0, 29, 0, 123_000_000, time.UTC),
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("CutoffsAt (-want +got):\n%s", diff)
	}
	off := sessioncleanup.Policy{InactiveAfter: sessioncleanup.Never, DeleteAfter: sessioncleanup.Never}.CutoffsAt(now)
	if !off.Inactive.IsZero() || !off.Delete.IsZero() {
		t.Errorf("Never has cutoffs %v, want none", off)
	}
}

func TestThresholdIsReadableByParseThreshold(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{time.Hour, 24 * time.Hour, 90 * time.Minute, sessioncleanup.Never} {
		text := sessioncleanup.Threshold(d, time.Hour)
		if got, err := sessioncleanup.ParseThreshold("x", text, time.Hour); err != nil || got != d {
			t.Errorf("%v became %q, which is read as %v, %v", d, text, got, err)
		}
	}
}
