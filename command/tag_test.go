package command

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestTagsAreAddedRemovedAndCounted(t *testing.T) {
	t.Parallel()
	u, s := migrated(t)
	u.calls("tags").want(t, exitDone, "No tags.")
	u.calls("tag", inUse, "+vip", "a:b").want(t, exitDone, "Session 1 (Room 1) has the tags a:b, vip.")
	u.calls("tag", "--reason", "over", "C1", "-a:b").want(t, exitDone, "Session 1 (Room 1) has the tag vip.")
	u.calls("tag", closed, "vip").want(t, exitDone, "vip")
	s.exec(t, "INSERT INTO sessioncleanup_tags SELECT id, 'test' FROM sessions WHERE id = 2")
	u.calls("show", inUse).want(t, exitDone, "Tags", "vip", "tagged", "-a:b: over")
	u.calls("tags").want(t, exitDone, "TAG   SESSIONS", "test         1", "vip          2")
	if got := decode[[]sessioncleanup.TagCount](t, u.calls("tags", "--owner", "nobody", "--json")); len(got) != 0 {
		t.Errorf("the tags of an owner without sessions are %v", got)
	}
	u.calls("list", "--tag", "vip").want(t, exitDone, "Room 1", "Room 3", "2 sessions")
	u.calls("list", "--tag", "vip|test -absent").want(t, exitDone, "3 sessions")
	u.calls("list", "--tag", "Vip").want(t, exitUsage, `tag is "Vip"`)
	if s := decode[sessioncleanup.Stats](t, u.calls("stats", "--tag", "vip", "--json")); s.Total != 2 || s.Active != 1 {
		t.Errorf("%d sessions with the tag, %d of them active; want 2 and 1", s.Total, s.Active)
	}
	u.calls("stats", "--tag", "Vip").want(t, exitUsage, `tag is "Vip"`)
	u.calls("cleanup", "--tag", "test", "--delete-days", "never").want(t, exitDone)
	if n := s.count(t, "SELECT count(*) FROM sessions WHERE NOT active AND id = 2"); n != 1 {
		t.Error("the run of the tag did not deactivate its session")
	}
	u.calls("show", gone).want(t, exitDone, "to_delete")
	u.calls("tag", inUse, "-vip").want(t, exitDone, "has no tags.")
}
