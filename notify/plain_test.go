package notify

import (
	"net/netip"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

func utf16Length(s string) int { return len(utf16.Encode([]rune(s))) }

func TestCutFitsAndNeverEndsInTheMiddleOfAnEscape(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "a", "a<b", "<<<<", "😀<😀", "é\xff<", strings.Repeat("&<>", 50)} {
		whole := cut(text, 10_000, slackEscape)
		for most := 1; most < 60; most++ {
			got := cut(text, most, slackEscape)
			if utf16Length(got) > most || !utf8.ValidString(got) {
				t.Errorf("cut(%q, %d) is %q", text, most, got)
			}
			head, shortened := strings.CutSuffix(got, "…")
			if shortened != (got != whole) || !strings.HasPrefix(whole, head) || strings.Count(head, "&") != strings.Count(head, ";") {
				t.Errorf("cut(%q, %d) is %q, of %q", text, most, got, whole)
			}
		}
	}
}

func FuzzSplitLosesNothingButBlanks(f *testing.F) {
	f.Add("a line\nanother & more\n\nthe last", 12)
	f.Add(strings.Repeat("&", 50), 9)
	f.Fuzz(func(t *testing.T, text string, most int) {
		most = 10 + max(0, most)%100
		escaped := cut(text, 100_000, slackEscape)
		var joined strings.Builder
		for _, part := range split(escaped, most) {
			if utf16Length(part) > most || part == "" {
				t.Fatalf("a part of %d characters, at most %d: %q", utf16Length(part), most, part)
			}
			joined.WriteString(part)
		}
		if a, b := strings.Join(strings.Fields(joined.String()), ""), strings.Join(strings.Fields(escaped), ""); a != b {
			t.Fatalf("%q became %q", b, a)
		}
	})
}

func TestOnlyPublicAddressesArePublic(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1",
		"198.18.0.1", "::1", "::", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "2001:db8::1", "ff02::1", "::127.0.0.1",
	} {
		if public(netip.MustParseAddr(text)) {
			t.Errorf("%s counts as public", text)
		}
	}
	for _, text := range []string{"93.184.216.34", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"} {
		if !public(netip.MustParseAddr(text)) {
			t.Errorf("%s does not count as public", text)
		}
	}
}
