package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Entity tags (RFC 9110, section 8.8.3) follow what is stored, the warning included, and the status. They do not follow
// the hours and days that pass, or every tag would be out of date at once.

// tagger hashes the content of a response.
type tagger struct{ sum hash.Hash }

func newTagger() tagger { return tagger{sha256.New()} }

func (t tagger) text(parts ...string) {
	for _, p := range parts {
		t.number(int64(len(p)))
		_, _ = t.sum.Write([]byte(p)) // a hash never fails
	}
}

func (t tagger) number(n int64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	_, _ = t.sum.Write(b[:])
}

func (t tagger) time(at time.Time) {
	if at.IsZero() {
		t.number(-1 << 63)
		return
	}
	t.number(at.UnixMicro())
}

func (t tagger) session(s sessioncleanup.Session) {
	t.text(s.ID, s.OwnerID, s.OwnerName, s.Name, s.Code, string(s.Status))
	t.text(s.Tags...)
	t.number(int64(len(s.Tags)))
	t.time(s.CreatedAt)
	t.time(s.UpdatedAt)
	t.time(s.LastActivity)
	t.time(s.ExpiresAt)
	t.time(s.DeactivatedAt)
	t.time(s.Warning.QueuedAt)
	t.time(s.Warning.DeliveredAt)
	t.time(s.Warning.UndeliverableAt)
	flags := s.ActivityCount << 2
	if s.Active {
		flags |= 1
	}
	if s.AutoCleanup {
		flags |= 2
	}
	t.number(flags)
}

func (t tagger) tag() string {
	return `"` + base64.RawURLEncoding.EncodeToString(t.sum.Sum(nil)[:12]) + `"`
}

// sessionTag is the entity tag of a session.
func sessionTag(s sessioncleanup.Session) string {
	t := newTagger()
	t.session(s)
	return t.tag()
}

// pageTag is the entity tag of a page of sessions, as a role sees it.
func pageTag(role sessioncleanup.Role, page sessioncleanup.SessionPage) string {
	t := newTagger()
	t.text(string(role), page.Next)
	for _, s := range page.Sessions {
		t.session(s)
	}
	return "W/" + t.tag()
}

// policyTag is the entity tag of the stored policy, whatever the program sets besides.
func policyTag(stored sessioncleanup.Policy) string {
	t := newTagger()
	t.text(fmt.Sprintf("%+v", stored))
	return t.tag()
}

// fresh sends a 304 when the client already has the response with this tag. It sets the ETag in any case.
func (c *call) fresh(tag string) (bool, error) {
	c.w.Header().Set("ETag", tag)
	known, fresh, err := c.tags("If-None-Match")
	if err != nil {
		return false, err
	}
	for _, k := range known {
		if strings.TrimPrefix(k, "W/") == strings.TrimPrefix(tag, "W/") {
			fresh = true
		}
	}
	if fresh {
		c.started = true
		c.w.WriteHeader(http.StatusNotModified)
	}
	return fresh, nil
}

// ifMatch is the condition that If-Match sets for what is stored; nil without one.
func ifMatch[T any](c *call, tagOf func(T) string) (func(T) bool, error) {
	if c.r.Header["If-Match"] == nil {
		return nil, nil
	}
	known, all, err := c.tags("If-Match")
	if err != nil || all {
		return nil, err
	}
	return func(stored T) bool {
		return slices.Contains(known, tagOf(stored)) // a weak tag never matches (RFC 9110, section 13.1.1)
	}, nil
}

// tags reads a header that lists entity tags, or is "*" for all.
func (c *call) tags(header string) (tags []string, all bool, err error) {
	rest := strings.TrimSpace(strings.Join(c.r.Header.Values(header), ","))
	if rest == "*" {
		return nil, true, nil
	}
	for rest != "" {
		start := strings.TrimPrefix(rest, "W/")
		end := -1
		if strings.HasPrefix(start, `"`) {
			end = strings.IndexByte(start[1:], '"')
		}
		if end < 0 {
			return nil, false, wrong(header, msgETag)
		}
		length := len(rest) - len(start) + end + 2
		tags = append(tags, rest[:length])
		rest = strings.TrimLeft(rest[length:], " \t")
		if rest != "" && rest[0] != ',' {
			return nil, false, wrong(header, msgETag)
		}
		rest = strings.TrimLeft(rest, ", \t")
	}
	return tags, false, nil
}
