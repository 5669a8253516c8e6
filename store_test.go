package sessioncleanup_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestFilterMatches(t *testing.T) {
	t.Parallel()
	s := sessioncleanup.Session{ID: "Id-1", OwnerID: "ann", Name: "Jazz Club É[", Code: "X9"}
	for f, want := range map[sessioncleanup.Filter]bool{
		{}:                                      true,
		{ID: "Id-1"}:                            true,
		{ID: "id-1"}:                            false,
		{OwnerID: "ann"}:                        true,
		{OwnerID: "Ann"}:                        false,
		{Text: "zz cL"}:                         true,
		{Text: "jazzy"}:                         false,
		{Text: "x9"}:                            true,
		{Text: "ID"}:                            true,
		{Text: "ann"}:                           false, // owners are not searched
		{Text: "Clubx9"}:                        false, // nor is anything across two fields
		{Text: "É"}:                             true,
		{Text: "é"}:                             false, // ASCII letters only
		{Text: "{"}:                             false,
		{ID: "Id-1", OwnerID: "ann", Text: "x"}: true,
		{ID: "Id-1", OwnerID: "bob", Text: "x"}: false,
	} {
		if got := f.Matches(s); got != want {
			t.Errorf("%+v matches: %v, want %v", f, got, want)
		}
	}
}

func TestTargetCheck(t *testing.T) {
	t.Parallel()
	s := sessioncleanup.Session{ID: "1", OwnerID: "ann"}
	yes, no := func(sessioncleanup.Session) bool { return true }, func(sessioncleanup.Session) bool { return false }
	for _, c := range []struct {
		target sessioncleanup.Target
		want   error
	}{
		{sessioncleanup.Target{ID: "1"}, nil},
		{sessioncleanup.Target{ID: "1", OwnerID: "ann", If: yes}, nil},
		{sessioncleanup.Target{ID: "1", OwnerID: "ann", If: no}, sessioncleanup.ErrChanged},
		{sessioncleanup.Target{ID: "1", OwnerID: "bob", If: no}, sessioncleanup.ErrNotFound},
		{sessioncleanup.Target{ID: "1", OwnerID: "bob", If: yes}, sessioncleanup.ErrNotFound},
	} {
		if got := c.target.Check(s); !errors.Is(got, c.want) {
			t.Errorf("owner %q, condition %v: %v, want %v", c.target.OwnerID, c.target.If != nil, got, c.want)
		}
	}
}

func TestPauseAfterKeepsToTheBusyShare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		share      float64
		held, want time.Duration
	}{
		{0.05, 10 * time.Millisecond, 190 * time.Millisecond},
		{0.5, time.Second, time.Second},
		{0.001, time.Minute, 10 * time.Second},
		{1, time.Second, 0},
		{0, time.Second, 0},
		{0.5, 0, 0},
	} {
		if got := (sessioncleanup.Batch{BusyShare: c.share}).PauseAfter(c.held); (got - c.want).Abs() > time.Microsecond {
			t.Errorf("share %v after %v: %v, want %v", c.share, c.held, got, c.want)
		}
	}
}
