package sqlite_test

import (
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	driver3 "modernc.org/sqlite"
)

// ids are those of the sessions of a random application.
type ids struct {
	kind     string // number, text or blob
	declared string // the type of the column
	rowid    bool   // the column is the rowid
	prefix   string // of texts
}

func randomIDs(r *rand.Rand, strict bool) ids {
	number, text, blob := "number", "text", "blob"
	prefix := pick(r, "", "s-", "A ", `q'"{,}\ `, "é%_")
	if strict {
		return pick(r, ids{number, "INTEGER", true, ""}, ids{number, "INT", false, ""}, ids{text, "TEXT", false, prefix}, ids{blob, "BLOB", false, ""}, ids{text, "ANY", false, "0"})
	}
	return pick(r, ids{number, "INTEGER", true, ""}, ids{number, "BIGINT", false, ""}, ids{number, "", false, ""}, ids{number, "NUMERIC", false, ""},
		ids{text, "TEXT", false, prefix}, ids{text, "VARCHAR(36)", false, prefix}, ids{text, "TEXT COLLATE NOCASE", false, prefix}, ids{text, "UUID", false, "00000000-0000-4000-8000-"},
		ids{text, "", false, "s-"}, ids{blob, "BLOB", false, ""})
}

// value is the n-th session's id as the application writes it.
func (i ids) value(n int) any {
	switch i.kind {
	case "number":
		return int64(n)
	case "blob":
		return fmt.Appendf(nil, "%016d", n)
	default:
		return i.prefix + strconv.Itoa(n)
	}
}

// name is an id as the library names it.
func (ids) name(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case []byte:
		return hex.EncodeToString(v)
	default:
		return fmt.Sprint(v)
	}
}

// strict is the type of a column of a STRICT table with such ids.
func (i ids) strict() string {
	return map[string]string{"number": "INTEGER", "text": "TEXT", "blob": "BLOB"}[i.kind]
}

// loose is the type of a column of another table with such ids.
func (i ids) loose() string {
	if i.declared == "ANY" { // which would turn them into numbers
		return ""
	}
	return i.declared
}

// timeColumn is a column with times of a random application.
type timeColumn struct {
	form     string // in which most of its values are
	declared string
	strict   bool
}

// forms are the ways in which a column may hold times, with the types that fit, those of STRICT tables last.
var forms = map[string]struct{ types, strict []string }{
	"text":         {[]string{"TEXT", "DATETIME", "TIMESTAMP", ""}, []string{"TEXT", "ANY"}},
	"iso":          {[]string{"TEXT", "DATETIME", "VARCHAR(40)"}, []string{"TEXT"}},
	"offset":       {[]string{"TEXT", "DATETIME"}, []string{"TEXT"}},
	"go":           {[]string{"TEXT", "DATETIME", "TIMESTAMP", ""}, []string{"TEXT", "ANY"}},
	"monotonic":    {[]string{"TEXT", "DATETIME"}, []string{"TEXT"}},
	"seconds":      {[]string{"INTEGER", "BIGINT", "TIMESTAMP", "TEXT", "REAL", ""}, []string{"INTEGER", "INT", "ANY"}},
	"fraction":     {[]string{"REAL", "DATETIME", ""}, []string{"REAL", "ANY"}},
	"milliseconds": {[]string{"INTEGER", "BIGINT", "REAL", ""}, []string{"INTEGER", "ANY"}},
	"microseconds": {[]string{"INTEGER", "TIMESTAMP"}, []string{"INTEGER"}},
	"nanoseconds":  {[]string{"INTEGER", "BIGINT"}, []string{"INTEGER"}},
	"julian":       {[]string{"REAL", "DATETIME", ""}, []string{"REAL", "ANY"}},
	"date":         {[]string{"DATE", "TEXT"}, []string{"TEXT"}},
}

func randomTimes(r *rand.Rand, strict, dates bool) timeColumn {
	form := pick(r, "text", "text", "iso", "offset", "go", "monotonic", "seconds", "seconds", "fraction", "milliseconds", "microseconds", "nanoseconds", "julian", "date")
	if form == "date" && !dates {
		form = "text"
	}
	types := forms[form].types
	if strict {
		types = forms[form].strict
	}
	return timeColumn{form, pick(r, types...), strict}
}

// write is a time as the application writes it.
func (c timeColumn) write(t time.Time) any {
	switch c.form {
	case "iso":
		return t.UTC().Format("2006-01-02T15:04:05.000Z")
	case "offset":
		return t.In(time.FixedZone("", 5*3600+1800)).Format("2006-01-02 15:04:05.999999-07:00")
	case "go":
		return t.In(time.FixedZone("CEST", 2*3600)).String()
	case "monotonic":
		return t.UTC().String() + " m=+12.345678901"
	case "seconds":
		return t.Unix()
	case "fraction":
		return float64(t.UnixMilli()) / 1000
	case "milliseconds":
		return t.UnixMilli()
	case "microseconds":
		return t.UnixMicro()
	case "nanoseconds":
		return t.UnixNano()
	case "julian":
		return float64(t.UnixMilli())/86400e3 + 2440587.5
	case "date":
		return t.UTC().Format(time.DateOnly)
	default:
		return t.UTC().Format(time.DateTime)
	}
}

func (c timeColumn) isText() bool { _, ok := c.write(time.Time{}).(string); return ok }

// nowSQL is the time as a trigger of the application writes it.
func (c timeColumn) nowSQL() string {
	switch c.form {
	case "seconds":
		return "CAST(strftime('%s', 'now') AS INTEGER)"
	case "fraction":
		return "(julianday('now') - 2440587.5) * 86400.0"
	case "milliseconds":
		return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
	case "microseconds":
		return "CAST(strftime('%s', 'now') AS INTEGER) * 1000000"
	case "nanoseconds":
		return "CAST(strftime('%s', 'now') AS INTEGER) * 1000000000"
	case "julian":
		return "julianday('now')"
	default:
		return "strftime('%Y-%m-%d %H:%M:%f', 'now')"
	}
}

// kind is what a value of a time column stands for.
type kind int

const (
	nothing    kind = iota // NULL
	known                  // a time
	zero                   // a program's value for no time
	never                  // the end of time
	epoch                  // 1970, as text
	unreadable             // nobody knows
)

type moment struct {
	value any
	kind  kind
	at    time.Time // of a known one
}

// moment is a time some days ago. Half of the sessions have odd ones.
func (w *application) moment(c timeColumn, odd bool, days int) moment {
	r := w.random
	if !odd || r.IntN(2) == 0 {
		if odd && !c.strict && r.IntN(3) == 0 { // not as the others
			c = randomTimes(r, false, false)
		}
		return c.known(w.now.Add(-time.Duration(max(days*24-r.IntN(20), 1)) * time.Hour))
	}
	values := []moment{{kind: nothing}, {kind: nothing}, c.known(w.now.Add(300 * day)), c.known(w.now.Add(-2000 * day)), c.known(time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC))}
	if text := c.isText(); text || !c.strict {
		for _, v := range []string{"", "0000-00-00 00:00:00", "0001-01-01T00:00:00Z", "0001-01-01 00:00:00 +0000 UTC", "-infinity"} {
			values = append(values, moment{value: v, kind: zero})
		}
		values = append(values, moment{value: "9999-12-31", kind: never}, moment{value: "infinity", kind: never}, moment{value: "9500-01-01 00:00:00", kind: never},
			moment{value: "1970-01-01", kind: epoch}, moment{value: "someday", kind: unreadable}, moment{value: "12/24/2020", kind: unreadable})
	}
	if !c.strict {
		values = append(values, moment{value: []byte{0, 1}, kind: unreadable})
	}
	if !c.isText() {
		values = append(values, moment{value: int64(0), kind: zero}, moment{value: int64(-62135596800), kind: zero}, moment{value: int64(253402300799), kind: never}, moment{value: int64(253402300799000), kind: never})
	}
	return pick(r, values...)
}

func (c timeColumn) known(t time.Time) moment {
	value := c.write(t)
	switch c.form {
	case "date":
		t = t.UTC().Truncate(24 * time.Hour)
	case "text", "seconds":
		t = t.Truncate(time.Second)
	}
	return moment{value: value, kind: known, at: t}
}

func init() {
	driver3.MustRegisterScalarFunction("shifted", 2, func(_ *driver3.FunctionContext, args []driver.Value) (driver.Value, error) {
		return shifted(args[0], time.Duration(args[1].(int64))*day), nil
	})
}

// shifted is a value of a time column, of any form, some time earlier; what stands for never or for nothing stays.
func shifted(value driver.Value, by time.Duration) driver.Value {
	switch v := value.(type) {
	case int64:
		return v - int64(by.Seconds())*unitOf(float64(v))
	case float64:
		if v > 24e5 && v < 25e5 {
			return v - by.Hours()/24
		}
		return v - by.Seconds()*float64(unitOf(v))
	case string:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return fmt.Sprint(shifted(n, by))
		}
		if f, err := strconv.ParseFloat(v, 64); err == nil && !math.IsInf(f, 0) {
			return strconv.FormatFloat(shifted(f, by).(float64), 'f', -1, 64)
		}
		text, clock, monotonic := strings.Cut(v, " m=")
		for _, layout := range []string{"2006-01-02 15:04:05.000", time.DateTime, time.DateOnly, "2006-01-02T15:04:05.000Z07:00", "2006-01-02 15:04:05.999999-07:00", "2006-01-02 15:04:05.999999999 -0700 MST"} {
			t, err := time.Parse(layout, text)
			if err != nil || t.Year() < 1971 || t.Year() >= 9000 {
				continue
			}
			if text = t.Add(-by).Format(layout); monotonic {
				text += " m=" + clock
			}
			return text
		}
	}
	return value
}

// unitOf is the unit of a Unix time, by its size, as a part of a second; 0 of what is none.
func unitOf(v float64) int64 {
	const year1971, year9000, forever = 31536000, 221845392000, 253402300799
	for _, unit := range []int64{1, 1000, 1000_000, 1000_000_000} {
		if v/float64(unit) > year1971 && v/float64(unit) < year9000 && v != forever && v != forever*1000 {
			return unit
		}
	}
	return 0
}
