package memory

import (
	"cmp"
	"encoding/binary"
	"math"
	"strings"
	"time"
)

// moment is a time as a key: nanoseconds since 1970. The zero time comes first. Times before 1677 are all the same as
// keys, as are those after 2262; the sessions themselves keep them as they are.
type moment int64

// The moments with a meaning of their own, and the first and the last that stand for a time.
const (
	noTime      moment = math.MinInt64 // the zero time
	firstMoment        = noTime + 1    // in 1677
	lastMoment         = absent - 2    // in 2262; there is one behind it that is not absent
	absent      moment = math.MaxInt64 // of what does not stand in a tree, and behind all that does
)

var firstTime, lastTime = time.Unix(0, int64(firstMoment)), time.Unix(0, int64(lastMoment))

func momentOf(t time.Time) moment {
	switch {
	case t.IsZero():
		return noTime
	case t.Before(firstTime):
		return firstMoment
	case t.After(lastTime):
		return lastMoment
	default:
		return moment(t.UnixNano())
	}
}

// time is the time that a moment stands for.
func (m moment) time() time.Time {
	if m == noTime {
		return time.Time{}
	}
	return time.Unix(0, int64(m)).UTC()
}

// since is the time from one moment to a later one, as far as a duration can tell.
func (m moment) since(earlier moment) time.Duration {
	return time.Duration(min(uint64(m)-uint64(earlier), math.MaxInt64))
}

func (m moment) compare(o moment) int { return cmp.Compare(m, o) }

// label is a name as a key. Its first bytes stand with it, so that most comparisons need not fetch the rest from
// somewhere else in memory.
type label struct {
	start uint64 // the first eight bytes
	name  string
}

func labelOf(name string) label {
	var start [8]byte
	copy(start[:], name)
	return label{binary.BigEndian.Uint64(start[:]), name}
}

// compare orders labels as their names, byte by byte.
func (l label) compare(o label) int {
	if l.start != o.start {
		return cmp.Compare(l.start, o.start)
	}
	return strings.Compare(l.name, o.name)
}
