package command

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
)

// The log of serve, of a run and of changes by people, has lines of the wanted format, without secrets and without names.
func TestLogsHaveOneFormatAndNoSecretsOrNames(t *testing.T) {
	t.Parallel()
	for _, format := range []logFormat{logJSON, logText} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			u, _ := migrated(t)
			path := u.writes("tokens", adminToken+" admin\n"+ownerToken+" owner 7\n")
			ctx, stop := context.WithCancelCause(limited(t))
			defer stop(nil)
			log := &addressLog{found: make(chan string, 1), key: map[logFormat]string{logJSON: `"addr":"`, logText: " addr="}[format]}
			code := make(chan int, 1)
			go func() {
				code <- run(ctx, u.environment(io.Discard, log, []string{"serve", "--now", "--log-format", string(format), "--addr", "127.0.0.1:0", "--tokens", path}))
			}()
			var addr string
			select {
			case found := <-log.found:
				addr, _, _ = strings.Cut(found, `"`)
			case c := <-code:
				t.Fatalf("serve ended with %d: %s", c, log.text.String())
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, "http://"+addr+"/api/session-cleanup/1/deactivate", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+ownerToken)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK {
				t.Fatalf("deactivate: %d", res.StatusCode)
			}
			get(t, "http://"+addr+"/metrics", "another-token-of-the-tests")
			stop(stopped{os.Signal(syscall.SIGTERM)})
			if c := <-code; c != exitDone {
				t.Fatalf("exit code %d: %s", c, log.String())
			}
			text := log.String()
			for _, secret := range []string{adminToken, ownerToken, "another-token-of-the-tests", "luna", "Room "} {
				if strings.Contains(text, secret) {
					t.Errorf("the log has %q:\n%s", secret, text)
				}
			}
			for line := range strings.Lines(text) {
				if isJSON := json.Valid([]byte(line)); isJSON != (format == logJSON) {
					t.Errorf("not %s: %s", format, line)
				}
			}
			for _, want := range []string{"deactivate session", "owner:7", "failed login", "serving HTTP"} {
				if !strings.Contains(text, want) {
					t.Errorf("%q is missing in the log:\n%s", want, text)
				}
			}
		})
	}
}

func TestTheFormatOfTheLogDoesNotFollowThatOfTheOutput(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	out := u.calls("cleanup", "--json", "--verbose", "--log-format", "text").want(t, exitDone, `msg="cleanup finished"`)
	if !json.Valid([]byte(out.out)) {
		t.Errorf("the output is no JSON: %s", out.out)
	}
	u.calls("cleanup", "--verbose", "--log-format", "json").want(t, exitDone, `"msg":"cleanup finished"`, "Deactivate after")
	u.calls("stats", "--log-format", "xml").want(t, exitUsage, "want text or json")
}
