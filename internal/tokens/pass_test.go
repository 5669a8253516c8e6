package tokens_test

import (
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/tokens"
)

func TestAPassStandsForItsTokenUntilItEndsOrTheTokenIsRemoved(t *testing.T) {
	t.Parallel()
	parse := func(content string) *tokens.Tokens {
		t.Helper()
		known, err := tokens.Parse(content)
		if err != nil {
			t.Fatal(err)
		}
		return known
	}
	known := parse(adminToken + " admin\n" + ownerToken + " owner 42\n")
	now := time.Unix(1_900_000_000, 0)
	pass, who, err := known.NewPass(ownerToken, now.Add(time.Hour))
	want := sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "42"}
	if err != nil || who != want {
		t.Fatalf("%+v, %v", who, err)
	}
	if _, _, err := known.NewPass(ownerToken+"x", now); !errors.Is(err, tokens.ErrUnknown) {
		t.Errorf("a pass for an unknown token: %v", err)
	}
	for name, c := range map[string]struct {
		known *tokens.Tokens
		at    time.Time
		ok    bool
	}{
		"valid":               {known, now.Add(time.Hour - time.Second), true},
		"after a restart":     {parse(ownerToken + " owner 42\n"), now, true},
		"ended":               {known, now.Add(time.Hour), false},
		"without its token":   {parse(adminToken + " admin\n"), now, false},
		"with another's role": {parse(ownerToken + " owner 43\n"), now, true},
	} {
		who, err := c.known.Pass(pass, c.at)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, tokens.ErrUnknown) {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
		if name == "with another's role" && who.ID != "43" {
			t.Errorf("the pass keeps what the file no longer says: %+v", who)
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(pass)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw { // its name, its time and its signature
		forged := append([]byte(nil), raw...)
		forged[i] ^= 1
		if _, err := known.Pass(base64.RawURLEncoding.EncodeToString(forged), now); !errors.Is(err, tokens.ErrUnknown) {
			t.Errorf("byte %d is not signed", i)
		}
	}
	for _, text := range []string{"", "x", pass[1:], pass + "AA", adminToken} {
		if _, err := known.Pass(text, now); !errors.Is(err, tokens.ErrUnknown) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
