package adopt

import (
	"regexp"
	"strings"
)

// CheckedValues returns the values that a CHECK constraint on a column allows, when that is all it says: column IN ('a', 'b'), or
// = ANY (ARRAY[…]), as PostgreSQL writes it. It returns nil for any other condition, and for other constraints of the text.
func CheckedValues(sql, column string) []string {
	name := `["\x60\[]?` + regexp.QuoteMeta(column) + `["\x60\]]?`
	found := regexp.MustCompile(`(?is)\bCHECK\s*\(+\s*` + name + `\)?(?:::[\w ]+)?\)?\s*(?:IN\s*\(|= ANY \(+ARRAY\[)(.*)$`).FindStringSubmatch(sql)
	if found == nil {
		return nil
	}
	var values []string
	for rest := found[1]; ; {
		item := checkedValue.FindStringSubmatch(rest)
		if item == nil {
			return nil
		}
		value := item[2]
		if item[1] != "" {
			value = strings.ReplaceAll(item[1][1:len(item[1])-1], "''", "'")
		}
		values = append(values, value)
		rest = rest[len(item[0]):]
		if item[3] != "," {
			if !checkEnd.MatchString(rest) {
				return nil
			}
			return values
		}
	}
}

var (
	checkedValue = regexp.MustCompile(`^\s*(?:('(?:[^']|'')*')|(-?\d+))(?:::[\w ]+)?\s*([,)\]])`)
	// checkEnd is what follows the last value of a condition that says nothing else.
	checkEnd = regexp.MustCompile(`^\)?(?:::[\w ]+\[\])?\s*\)+(?: NOT VALID)?\s*(?:$|[,)\n]|[a-zA-Z])`)
)
