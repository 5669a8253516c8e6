package notify

import (
	"context"
	netmail "net/mail"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/keeplink"
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

func TestMailToOwnersSaysHowToStopIt(t *testing.T) {
	t.Parallel()
	store, m := due(t, 2, 2)
	server := &post{}
	c := server.serve(t, StartTLS)
	c.To = ""
	links, err := keeplink.New("https://app.example.com/api", strings.Repeat("k", 32))
	if err != nil {
		t.Fatal(err)
	}
	o := &Owners{Manager: m, Store: store, Channel: newTestMail(t, c), PerMinute: 60_000, Links: links, Recipient: func(_ context.Context, owner string) (Recipient, error) {
		if owner == "owner0" {
			return Recipient{Address: "anne@example.com", Unsubscribe: "https://app.example.com/stop?owner=0"}, nil
		}
		return Recipient{Address: "bob@example.com"}, nil
	}}
	if d := deliverAll(t, o); d.Messages != 2 {
		t.Fatalf("delivered %+v", d)
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	for i, to := range server.to {
		letter, err := netmail.ReadMessage(strings.NewReader(server.letters[i]))
		if err != nil {
			t.Fatal(err)
		}
		stop, oneClick := letter.Header.Get("List-Unsubscribe"), letter.Header.Get("List-Unsubscribe-Post")
		want, wantOneClick := "<https://app.example.com/api/keep?token=", "" // a GET of which changes nothing
		if to == "anne@example.com" {
			want, wantOneClick = "<https://app.example.com/stop?owner=0>", "List-Unsubscribe=One-Click"
		}
		if !strings.HasPrefix(stop, want) || oneClick != wantOneClick {
			t.Errorf("the mail to %s has List-Unsubscribe %q and List-Unsubscribe-Post %q", to, stop, oneClick)
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
