package command

import (
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

// The tokens in the file of the tests.
const (
	adminToken = "an-admin-token-of-the-tests"
	ownerToken = "an-owner-token-of-the-tests"
)

// addressLog waits for the address in the log of serve.
type addressLog struct {
	mu    sync.Mutex
	text  strings.Builder
	found chan string
	key   string // default: that of the address of the handlers
	told  bool
}

func (l *addressLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *addressLog) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(data)
	_, rest, ok := strings.Cut(l.text.String(), cmp.Or(l.key, " addr="))
	if addr, _, complete := strings.Cut(strings.TrimRight(rest, "\n")+" ", " "); ok && addr != "" && complete && !l.told {
		l.told = true
		l.found <- addr
	}
	return len(data), nil
}

func TestServeAnswersHTTPToClientsWithATokenAndEndsInOrder(t *testing.T) {
	t.Parallel()
	for _, enabled := range []string{"true", "false"} {
		t.Run("enabled="+enabled, func(t *testing.T) {
			t.Parallel()
			u, _ := migrated(t)
			u.vars[sessioncleanup.EnvEnabled] = enabled
			path := u.writes("tokens", adminToken+" admin\n"+ownerToken+" owner 1\n")
			ctx, stop := context.WithCancelCause(limited(t))
			defer stop(nil)
			log := &addressLog{found: make(chan string, 1)}
			code := make(chan int, 1)
			go func() {
				code <- run(ctx, u.environment(io.Discard, log, []string{"serve", "--addr", "127.0.0.1:0", "--tokens", path}))
			}()
			var url string
			select {
			case addr := <-log.found:
				url = "http://" + addr
			case c := <-code:
				t.Fatalf("serve ended with %d: %s", c, log.text.String())
			}
			answersByToken(t, url)
			stop(stopped{os.Signal(syscall.SIGTERM)})
			if c := <-code; c != exitDone {
				t.Errorf("exit code %d, want %d: %s", c, exitDone, log.text.String())
			}
			if strings.Contains(log.text.String(), adminToken) {
				t.Error("the log shows a token")
			}
		})
	}
}

func answersByToken(t *testing.T, url string) {
	t.Helper()
	for target, want := range map[[2]string]int{
		{"/healthz", ""}: http.StatusOK,
		{"/readyz", ""}:  http.StatusOK,
		{"/api/session-cleanup/stats", adminToken}:                   http.StatusOK,
		{"/api/session-cleanup/view", ownerToken}:                    http.StatusOK,
		{"/api/session-cleanup/view?owner=2", ownerToken}:            http.StatusForbidden,
		{"/api/session-cleanup/stats", ""}:                           http.StatusUnauthorized,
		{"/api/session-cleanup/stats", "another-token-of-the-tests"}: http.StatusUnauthorized,
		{"/api/session-cleanup/live", adminToken}:                    http.StatusOK, // open until serve ends
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+target[0], nil)
		if err != nil {
			t.Fatal(err)
		}
		if target[1] != "" {
			req.Header.Set("Authorization", "Bearer "+target[1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		if res.StatusCode != want {
			t.Errorf("GET %s with %q: %d, want %d", target[0], target[1], res.StatusCode, want)
		}
	}
}

func TestServeRefusesToServeHTTPWithoutGoodTokens(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	u.calls("serve", "--addr", "127.0.0.1:0").want(t, exitUsage, "--tokens")
	u.calls("serve", "--tokens", "x").want(t, exitUsage, "--addr")
	path := u.writes("tokens", adminToken+" admin\n")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	u.calls("serve", "--addr", "127.0.0.1:0", "--tokens", path).want(t, exitUsage, "others can read")
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	u.calls("serve", "--addr", taken.Addr().String(), "--tokens", path).want(t, exitFailed, "in use")
}
