package adopt

import (
	"regexp"
	"strings"
)

// CheckedValues returns the values that a CHECK constraint on a column allows, when that is all it says: column IN ('a',
// 'b'), or = ANY (ARRAY[…]), as PostgreSQL writes it. The constraint is the first on the column in the text, which may be
// that of a whole table. It returns nil for any other condition, and where rows of before may have other values.
func CheckedValues(sql, column string) []string {
	name := `["\x60\[]?` + regexp.QuoteMeta(column) + `["\x60\]]?`
	found := regexp.MustCompile(`(?is)\bCHECK\s*(\(+\s*` + name + `\)?(?:::[\w ]+)?\)?\s*(?:IN\s*\(|= ANY \(+ARRAY\[))(.*)$`).FindStringSubmatch(sql)
	if found == nil {
		return nil
	}
	depth := strings.Count(found[1], "(") - strings.Count(found[1], ")")
	var values []string
	for rest := found[2]; ; {
		item := checkedValue.FindStringSubmatch(rest)
		if item == nil {
			return nil
		}
		value := item[2]
		if item[1] != "" {
			value = strings.ReplaceAll(item[1][1:len(item[1])-1], "''", "'")
		}
		values = append(values, value)
		switch rest = rest[len(item[0]):]; item[3] {
		case ",":
			continue
		case ")":
			depth--
		}
		if !ends(rest, depth) {
			return nil
		}
		return values
	}
}

// ends reports whether a condition has nothing but the end of some parentheses left.
func ends(rest string, depth int) bool {
	for ; depth > 0; depth-- {
		end := checkEnd.FindString(rest)
		if end == "" {
			return false
		}
		rest = rest[len(end):]
	}
	return !strings.HasPrefix(rest, " NOT VALID")
}

var (
	checkedValue = regexp.MustCompile(`^\s*(?:('(?:[^']|'')*')|(-?\d+))(?:::[\w ]+)?\s*([,)\]])`)
	checkEnd     = regexp.MustCompile(`^(?:::[\w ]+\[\])?\s*\)`)
)
