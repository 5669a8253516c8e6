// Package shorten cuts texts that are kept or returned with others.
package shorten

// Text is a text cut to its first characters, at most most of them. A byte that is not UTF-8 counts as one.
func Text(text string, most int) string {
	if len(text) <= most {
		return text
	}
	characters := 0
	for i := range text {
		if characters == most {
			return text[:i]
		}
		characters++
	}
	return text
}
