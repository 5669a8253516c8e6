package notify

import (
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestOwnersGetMailAtTheAddressInTheirTable(t *testing.T) {
	t.Parallel()
	store, m := due(t, 8, 4)
	store.PutOwner("owner0", sessioncleanup.Owner{Mail: "anne@example.com", Language: "fr_CA", Zone: "Asia/Kolkata"})
	store.PutOwner("owner1", sessioncleanup.Owner{Mail: " Bob <bob@example.com>", Language: "de", Zone: "Nowhere"})
	store.PutOwner("owner2", sessioncleanup.Owner{Mail: "not an address"})
	server := &post{}
	c := server.serve(t, StartTLS)
	c.To = ""
	o := &Owners{Manager: m, Store: store, Channel: newTestMail(t, c), PerMinute: 60_000}
	if d := deliverAll(t, o); d.Messages != 2 || d.Sessions != 4 || d.Undeliverable != 2 {
		t.Errorf("delivered %+v, want messages to two owners, and two without an address", d)
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	if len(server.letters) != 2 || len(server.to) != 2 {
		t.Fatalf("the server got %d mails for %q", len(server.letters), server.to)
	}
	for i, to := range server.to {
		for _, want := range map[string][]string{
			"anne@example.com": {"=C3=A9es", " IST"}, "bob@example.com": {"sessions have not been used", " UTC"},
		}[to] {
			if !strings.Contains(server.letters[i], want) {
				t.Errorf("the mail to %s has no %q:\n%s", to, want, server.letters[i])
			}
		}
	}
}

func TestAWebhookGetsWarningsOfOwnersWithoutAnAddress(t *testing.T) {
	t.Parallel()
	store, m := due(t, 2, 2)
	store.PutOwner("owner0", sessioncleanup.Owner{Mail: "anne@example.com", Language: "fr"})
	box := &mailbox{}
	if d := deliverAll(t, &Owners{Manager: m, Store: store, Channel: box, PerMinute: 60_000}); d.Messages != 2 {
		t.Errorf("delivered %+v, want a message for each owner", d)
	}
}
