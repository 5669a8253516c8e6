package command

import (
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
