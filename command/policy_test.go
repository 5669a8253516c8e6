package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestThePolicyIsShownAndItsRulesAreFollowed(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	u.calls("policy").want(t, exitDone, "Delete after", "30 days")
	u.calls("tag", gone, "vip").want(t, exitDone)
	u.calls("policy", "set").want(t, exitUsage, "--rules")
	u.calls("policy", "set", "--rules", "VIP: delete=never").want(t, exitUsage, "--rules", `"VIP"`)
	u.calls("policy", "set", "--rules", "vip: delete=never inactive=2h; test: delete=1d").want(t, exitDone,
		"test: delete=1d", "vip: inactive=2h delete=never", "database")
	u.calls("show", gone).want(t, exitDone, "Due for deletion  never  by the rule of the tag vip")
	u.calls("tag", inUse, "vip").want(t, exitDone)
	u.calls("show", inUse).want(t, exitDone, "Due for deactivation", "by the rule of the tag vip")
	if got := u.calls("cleanup", "--dry-run").want(t, exitDone, "delete 0 sessions"); strings.Contains(got.out, "Room 4") {
		t.Errorf("the dry run deletes a session that its tag keeps:\n%s", got.out)
	}
	u.calls("policy", "set", "--rules", "none").want(t, exitUsage, "--expect 1")
	u.calls("policy", "set", "--rules", "none", "--expect", "1").want(t, exitDone)
	u.calls("show", gone).want(t, exitDone, "Due for deletion  now")
}

func TestAPolicyIsImportedFromWhatShowPrintedAfterItsEffectIsShown(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	u.calls("policy", "set", "--rules", "vip: delete=never", "--inactive-hours", "12", "--expect", "9").want(t, exitDone)
	file := u.calls("policy", "show", "--json").want(t, exitDone, `"inactive_hours": 12`, `"rules": "vip: delete=never"`, `"warn_days": "never"`).out
	other, _ := migrated(t)
	read := func(text string) { other.in = strings.NewReader(text) }
	read(file)
	other.calls("policy", "import", "-").want(t, exitUsage, "A run would now", "By this policy it would", "--yes")
	other.calls("policy", "show").want(t, exitDone, "24 h")
	read(file)
	other.calls("policy", "import", "-", "--dry-run").want(t, exitDone, "By this policy it would")
	other.calls("policy").want(t, exitDone, "24 h")
	if err := os.WriteFile(filepath.Join(other.dir, "policy.json"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	other.calls("policy", "import", "policy.json", "--yes").want(t, exitDone, "12 h", "vip: delete=never")
	if again := other.calls("policy", "show", "--json").want(t, exitDone); strings.ReplaceAll(again.out, "default", "database") != strings.ReplaceAll(file, "default", "database") {
		t.Errorf("the policy is now\n%s\nwant\n%s", again.out, file)
	}
	for text, want := range map[string]string{
		`{"delete_days": 3}`:        `unknown field "delete_days"`,
		`{"delete_old_days": -3}`:   `delete_old_days is "-3"`,
		`{"delete_old_days": "so"}`: `delete_old_days is "so"`,
		`{"delete_old_days": true}`: "delete_old_days is true",
		`{"warn_days": 7}`:          "warn_days",
		`{"rules": "vip"}`:          "rules: ",
		`{}`:                        "it has no values",
		`{"rules": "none"} {}`:      "more text",
		`[]`:                        "policy show --json",
	} {
		read(text)
		if got := other.calls("policy", "import", "-", "--yes").want(t, exitUsage, want); got.out != "" {
			t.Errorf("the import of %s printed %s", text, got.out)
		}
	}
	other.calls("policy", "import", "none.json").want(t, exitFailed, "none.json")
	other.calls("policy", "import").want(t, exitUsage)
}

func TestTheFlagRulesMeansTheSameEverywhere(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	u.calls("tag", gone, "vip").want(t, exitDone)
	u.calls("cleanup", "--dry-run").want(t, exitDone, "delete 1 session")
	u.calls("cleanup", "--dry-run", "--rules", "vip: delete=never").want(t, exitDone, "delete 0 sessions")
	u.calls("policy").want(t, exitDone)
	u.calls("migrate", "--rules", "vip: delete=never").want(t, exitDone)
	u.calls("cleanup", "--dry-run").want(t, exitDone, "delete 0 sessions")
	u.calls("cleanup", "--dry-run", "--rules", "none").want(t, exitDone, "delete 1 session")
	u.calls("cleanup", "--dry-run", "--rules", "").want(t, exitDone, "delete 1 session")
	for _, verb := range [][]string{{"cleanup"}, {"migrate"}, {"policy", "set"}} {
		u.calls(append(verb, "--rules", "VIP: delete=1d")...).want(t, exitUsage, "--rules", `"VIP"`)
	}
}
