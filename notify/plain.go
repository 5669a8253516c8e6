package notify

import (
	"strings"
	"unicode"
	"unicode/utf16"
)

// Plain text in the markup of others, within their limits.

// oneLine returns text in one line, without control characters, cut to the given length as cut does.
func oneLine(text string, most int) string {
	words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
	return cut(strings.Join(words, " "), most, unescaped)
}

func unescaped(r rune) string { return string(r) }

// cut returns text with each character escaped, cut to the given number of UTF-16 code units. Those are no fewer than
// characters, so it fits however a service counts. It ends with "…" when something is left out, and never within an escape.
func cut(text string, most int, escape func(rune) string) string {
	var out strings.Builder
	length, kept := 0, 0     // kept: the bytes up to which there is room for the ellipsis
	for _, r := range text { // bytes that are not UTF-8 are U+FFFD
		escaped := escape(r)
		for _, e := range escaped {
			length += utf16.RuneLen(e)
		}
		if length > most {
			return out.String()[:kept] + "…"
		}
		out.WriteString(escaped)
		if length < most {
			kept = out.Len()
		}
	}
	return out.String()
}
