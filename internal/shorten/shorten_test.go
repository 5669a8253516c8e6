package shorten_test

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/shorten"
)

func TestTextCountsCharacters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		most int
		want string
	}{
		{"", 3, ""}, {"abc", 3, "abc"}, {"abcd", 3, "abc"}, {"é😀ä", 3, "é😀ä"}, {"é😀äb", 3, "é😀ä"}, {"\xff\xfe\xfd\xfc", 3, "\xff\xfe\xfd"}, {"abc", 0, ""},
	} {
		if got := shorten.Text(c.text, c.most); got != c.want {
			t.Errorf("the first %d of %q are %q, want %q", c.most, c.text, got, c.want)
		}
	}
}
