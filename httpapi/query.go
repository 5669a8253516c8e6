package httpapi

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sessioncleanup/sessioncleanup"
)

// maxText is the length of the longest filter or ID, in bytes.
const maxText = 1024

// query reads the request's query, which may have the parameters named, each at most once.
func (c *call) query(names []string) (url.Values, error) {
	if c.r.URL.RawQuery == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, &fault{problem: invalidRequest, detail: msgQuery}
	}
	for name, given := range values {
		if !slices.Contains(names, name) {
			return nil, unknown(name, names)
		}
		if len(given) > 1 {
			return nil, wrong(name, msgTwice)
		}
		if v := given[0]; !readable(v) {
			return nil, wrong(name, msgText, v, maxText)
		}
	}
	return values, nil
}

// readable reports whether a text can be a filter or an ID. Some databases fail on others instead of finding nothing.
func readable(v string) bool {
	return len(v) <= maxText && utf8.ValidString(v) && !strings.ContainsRune(v, 0)
}

// unknown is the fault of a field or a parameter that there is not, among those that there are.
func unknown(name string, known []string) error {
	if len(known) == 0 {
		return wrong(shown(name), msgNothingKnown)
	}
	return wrong(shown(name), msgUnknown, strings.Join(known, ", "))
}

// shown is a name from a request, short enough to be repeated in a response.
func shown(name string) string {
	if len(name) > 64 {
		name = name[:64]
	}
	return strings.ToValidUTF8(name, "\uFFFD")
}

// limit reads the size of a page; standard when the query has none.
func (c *call) limit(standard int) (int, error) {
	if !c.values.Has("limit") {
		return standard, nil
	}
	n, err := strconv.Atoi(c.values.Get("limit"))
	if err != nil || n < 1 || n > sessioncleanup.MaxPage {
		return 0, wrong("limit", msgWhole, c.values.Get("limit"), sessioncleanup.MaxPage)
	}
	return n, nil
}

// oneOf reads a parameter that has one of some values; empty when the query has none.
func oneOf[T ~string](c *call, name string, allowed []T) (T, error) {
	v := T(c.values.Get(name))
	if !c.values.Has(name) || slices.Contains(allowed, v) {
		return v, nil
	}
	return "", wrong(name, msgOneOf, v, listed(allowed))
}

// listed are the values that something may have.
func listed[T ~string](allowed []T) string {
	words := make([]string, len(allowed))
	for i, a := range allowed {
		words[i] = string(a)
	}
	return strings.Join(words, ", ")
}

// signed are names with and without a minus, which reverses an order.
func signed[T ~string](all []T) (names []string) {
	for _, s := range all {
		names = append(names, string(s), "-"+string(s))
	}
	return names
}

// order reads the parameter sort, one of some names with or without a minus; standard when the query has none.
func order[T ~string](c *call, names []string, standard T) (by T, descending bool, err error) {
	sort, err := oneOf(c, "sort", names)
	if sort == "" {
		return standard, true, err
	}
	name, descending := strings.CutPrefix(sort, "-")
	return T(name), descending, err
}
