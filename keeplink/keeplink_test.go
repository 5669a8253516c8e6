package keeplink_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/keeplink"
)

const (
	api    = "https://app.example.com/api/session-cleanup"
	first  = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk1"
	second = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk2"
)

var now = time.Date(2026, 11, 29, 3, 0, 0, 0, time.UTC)

func links(t *testing.T, keys ...string) *keeplink.Links {
	t.Helper()
	l, err := keeplink.New(api, keys...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func token(t *testing.T, link string) string {
	t.Helper()
	got, ok := strings.CutPrefix(link, api+"/keep?token=")
	if !ok {
		t.Fatalf("the link is %s", link)
	}
	return got
}

func TestALinkSaysWhoseItIsAndUntilWhen(t *testing.T) {
	t.Parallel()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	l := links(t, first)
	for _, owner := range []string{"42", "a/b é", "\xff"} {
		got, err := l.Read(token(t, l.URL(keeplink.Grant{Owner: owner, Until: now.Add(time.Hour), Zone: paris})), now)
		if err != nil || got.Owner != owner || !got.Until.Equal(now.Add(time.Hour)) || got.Zone.String() != "Europe/Paris" {
			t.Errorf("the link of %q: %+v, %v", owner, got, err)
		}
	}
}

func TestALinkExpires(t *testing.T) {
	t.Parallel()
	l := links(t, first)
	link := token(t, l.URL(keeplink.Grant{Owner: "42", Until: now}))
	if _, err := l.Read(link, now.Add(-time.Second)); err != nil {
		t.Error(err)
	}
	if _, err := l.Read(link, now); !errors.Is(err, keeplink.ErrExpired) {
		t.Errorf("at its end: %v", err)
	}
}

func TestALinkWithAChangedBitIsInvalid(t *testing.T) {
	t.Parallel()
	l := links(t, first)
	link := token(t, l.URL(keeplink.Grant{Owner: "42", Until: now.Add(time.Hour)}))
	for i := range link {
		for bit := range 8 {
			changed := []byte(link)
			changed[i] ^= 1 << bit
			if got, err := l.Read(string(changed), now); !errors.Is(err, sessioncleanup.ErrInvalid) {
				t.Fatalf("bit %d of character %d: %+v, %v", bit, i, got, err)
			}
		}
	}
	for _, other := range []string{"", ".", link + "A", link[:len(link)-1], link + "." + link, strings.Repeat("A", 100_000)} {
		if _, err := l.Read(other, now); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("%.60s: %v", other, err)
		}
	}
}

func TestALinkIsValidAsLongAsItsKeyIs(t *testing.T) {
	t.Parallel()
	link := token(t, links(t, first).URL(keeplink.Grant{Owner: "42", Until: now.Add(time.Hour)}))
	if _, err := links(t, second, first).Read(link, now); err != nil {
		t.Errorf("with a newer key before its own: %v", err)
	}
	if _, err := links(t, second).Read(link, now); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("without its key: %v", err)
	}
	if _, err := links(t, first).For("rooms", "").Read(link, now); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("in another installation: %v", err)
	}
	if got := links(t, first).For("rooms", "/tables/rooms").URL(keeplink.Grant{Owner: "42"}); !strings.HasPrefix(got, api+"/tables/rooms/keep?token=") {
		t.Errorf("the link of an installation with a name: %s", got)
	}
}

func TestWrongKeysAndAddressesAreRefused(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{"", "app.example.com", "ftp://app.example.com", "https://app.example.com?x=1", "https://user@app.example.com"} {
		if _, err := keeplink.New(wrong, first); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	for _, keys := range [][]string{nil, {"short"}, {first, first}} {
		if _, err := keeplink.New(api, keys...); !errors.Is(err, sessioncleanup.ErrInvalid) || strings.Contains(err.Error(), "short") {
			t.Errorf("%q: %v", keys, err)
		}
	}
	dir := t.TempDir()
	for content, mode := range map[string]os.FileMode{"# keys\n\n" + first + "\n": 0o600, first + "\n": 0o644} {
		file := filepath.Join(dir, mode.String())
		if err := os.WriteFile(file, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if _, err := keeplink.Open(api, file); (err == nil) != (mode == 0o600) {
			t.Errorf("a file with mode %v: %v", mode, err)
		}
	}
}
