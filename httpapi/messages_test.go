package httpapi

import (
	"os"
	"strings"
	"testing"
)

// allKinds are all problems. The type of a problem is the address of its heading in docs/http.md.
var allKinds = []*kind{
	invalidRequest, unauthenticated, forbidden, readOnly, crossOrigin, notFound, methodNotAllowed, alreadyRunning, disabled, paused, notStored, clocksDiffer, otherSessions, kept, unexpected, obstructed, onHold, unarchivable, invalidLink, expiredLink, changed, tooLarge,
	notJSON, tooManyDeletions, unconfirmed, tooManyRequests, internal, noStream, unavailable, counting, tooManyWatchers,
}

func TestEveryProblemIsDescribedUnderItsName(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("messages.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), "&kind{"); n != len(allKinds) {
		t.Errorf("%d problems are listed here, %d exist", len(allKinds), n)
	}
	for _, k := range allKinds {
		if !strings.Contains(string(docs), "\n### "+k.name+"\n") {
			t.Errorf("docs/http.md has no heading %q", k.name)
		}
	}
	if n := strings.Count(string(docs), "\n### "); n != len(allKinds) {
		t.Errorf("docs/http.md describes %d problems, %d exist", n, len(allKinds))
	}
}

func TestEveryMessageIsInEveryLanguage(t *testing.T) {
	t.Parallel()
	for kind, message := range msgObstacles {
		for l := range languages {
			if message[l] == "" {
				t.Errorf("obstacle %s has no text in %v", kind, langNames[l])
			}
		}
	}
	for _, k := range allKinds {
		for l := range languages {
			if k.title[l] == "" || k.detail[l] == "" {
				t.Errorf("%s has no text in %v", k.name, langNames[l])
			}
		}
	}
}
