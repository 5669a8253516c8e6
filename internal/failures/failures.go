// Package failures counts how often in a row something failed, so that a long outage writes few lines to a log.
package failures

// Count is the number of failures in a row. Its zero value is none; set it to 0 after a success.
type Count int

// Add counts one more, and reports whether to log it: the 1st, 2nd, 4th, 8th, and so on.
func (c *Count) Add() bool {
	*c++
	return *c&(*c-1) == 0
}
