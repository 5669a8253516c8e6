// Package told is how the audit log says what operators were told over a channel: the reason of an ActionNotified.
package told

import (
	"cmp"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
)

// nothingHolds stands for no alert.
const nothingHolds = "none"

// Reason says which alerts the receivers of a channel know to hold.
func Reason(channel string, alerts []sessioncleanup.AlertCode) string {
	words := make([]string, len(alerts))
	for i, code := range alerts {
		words[i] = string(code)
	}
	return channel + ": " + cmp.Or(strings.Join(words, " "), nothingHolds)
}

// Parse reads what Reason wrote; no channel when it did not.
func Parse(reason string) (channel string, alerts []sessioncleanup.AlertCode) {
	i := strings.LastIndex(reason, ": ") // a channel's name may have one, a code has none
	if i < 0 {
		return "", nil
	}
	if codes := reason[i+2:]; codes != nothingHolds {
		for code := range strings.FieldsSeq(codes) {
			alerts = append(alerts, sessioncleanup.AlertCode(code))
		}
	}
	return reason[:i], alerts
}
