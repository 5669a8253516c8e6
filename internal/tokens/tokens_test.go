package tokens_test

import (
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/tokens"
)

const (
	adminToken  = "admin-token-0123456789"
	ownerToken  = "owner-token-0123456789"
	viewerToken = "viewer-token-0123456789"
)

func file(t *testing.T, mode os.FileMode, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask says
		t.Fatal(err)
	}
	return path
}

func TestATokenStandsForThePrincipalOfItsLine(t *testing.T) {
	t.Parallel()
	known, err := tokens.Open(file(t, 0o600, "# tokens\n\n"+adminToken+" admin\n"+ownerToken+"\towner  42\n"+viewerToken+" viewer"))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		header string
		want   sessioncleanup.Principal
		ok     bool
	}{
		{"Bearer " + adminToken, sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin}, true},
		{"bearer  " + ownerToken, sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "42"}, true},
		{"Bearer " + viewerToken, sessioncleanup.Principal{Role: sessioncleanup.RoleViewer}, true},
		{"Bearer " + adminToken + "x", sessioncleanup.Principal{}, false},
		{"Bearer " + adminToken[1:], sessioncleanup.Principal{}, false},
		{"Bearer ", sessioncleanup.Principal{}, false},
		{"Bearer", sessioncleanup.Principal{}, false},
		{"Basic " + adminToken, sessioncleanup.Principal{}, false},
		{adminToken, sessioncleanup.Principal{}, false},
		{"", sessioncleanup.Principal{}, false},
	}
	for _, test := range tests {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		if test.header != "" {
			r.Header.Set("Authorization", test.header)
		}
		got, err := known.Authenticate(r)
		if got != test.want || (err == nil) != test.ok || err != nil && !errors.Is(err, tokens.ErrUnknown) {
			t.Errorf("%q: %+v, %v", test.header, got, err)
		}
	}
}

func TestTwoAuthorizationHeadersAreRefused(t *testing.T) {
	t.Parallel()
	known, err := tokens.Open(file(t, 0o600, adminToken+" admin"))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	r.Header.Add("Authorization", "Bearer "+adminToken)
	r.Header.Add("Authorization", "Bearer "+viewerToken)
	if got, err := known.Authenticate(r); !errors.Is(err, tokens.ErrUnknown) {
		t.Errorf("%+v, %v: want ErrUnknown", got, err)
	}
}

func TestAFileThatOthersCanUseIsRefused(t *testing.T) {
	t.Parallel()
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o440: false, 0o644: false, 0o604: false, 0o602: false, 0o666: false} {
		_, err := tokens.Open(file(t, mode, adminToken+" admin"))
		if (err == nil) != ok || err != nil && !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("mode %#o: %v", mode, err)
		}
	}
}

func TestAWrongFileIsRefusedByLineAndWithoutItsTokens(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ content, want string }{
		"empty":         {"# nothing\n", "no token"},
		"no role":       {adminToken, "line 1"},
		"unknown role":  {adminToken + " admin\n" + ownerToken + " system", "line 2"},
		"owner of none": {ownerToken + " owner", "line 1"},
		"too many":      {adminToken + " admin alice", "line 1"},
		"short":         {"secret-secret-secre admin", "line 1"},
		"UTF-8 mark":    {"\ufeff" + adminToken + " admin", "byte order mark"},
		"UTF-16":        {"\xff\xfea\x00d\x00m\x00i\x00n\x00", "byte order mark"},
		"twice":         {adminToken + " viewer\n\n" + adminToken + " admin", "line 3"},
		"huge":          {strings.Repeat("# "+strings.Repeat("x", 100)+"\n", 20_000), "larger"},
	} {
		_, err := tokens.Open(file(t, 0o600, test.content))
		if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v: want an ErrInvalid with %q", name, err, test.want)
		}
		if err != nil && (strings.Contains(err.Error(), adminToken) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: the error shows a token: %v", name, err)
		}
	}
	if _, err := tokens.Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := tokens.Open(t.TempDir()); !errors.Is(err, sessioncleanup.ErrInvalid) {
		t.Errorf("a directory: %v", err)
	}
}
