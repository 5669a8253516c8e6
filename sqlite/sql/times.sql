-- How times are read and written. The expressions of one form stand in the indexes, the view, the triggers and the
-- queries alike, so that all of them agree, and an index is found for a condition. They are short because every statement
-- of the host's that writes a session carries them, several times over.
--
-- Each gives text in UTC with milliseconds, or NULL for what it cannot read. A text has to begin with a digit or a sign,
-- which keeps out 'now': its value may not stand in an index.

-- name: read_text
CASE WHEN "{value}" < ':' THEN strftime('%Y-%m-%d %H:%M:%f', "{value}") END

-- name: read_go
-- Also what Go's time.Time.String gives: 2006-01-02 15:04:05.999999999 -0700 MST
CASE WHEN "{value}" < ':' THEN
  coalesce(
    strftime('%Y-%m-%d %H:%M:%f', "{value}"),
    strftime('%Y-%m-%d %H:%M:%f',
      substr("{value}", 1, 18 + instr(substr("{value}", 20), ' '))
      || substr("{value}", 20 + instr(substr("{value}", 20), ' '), 3) || ':'
      || substr("{value}", 23 + instr(substr("{value}", 20), ' '), 2))) END

-- name: read_seconds
CASE WHEN "{value}" < ':' THEN strftime('%Y-%m-%d %H:%M:%f', "{value}", 'unixepoch') END

-- name: read_milliseconds
CASE WHEN "{value}" < ':' THEN strftime('%Y-%m-%d %H:%M:%f', "{value}" / 1e3, 'unixepoch') END

-- name: read_microseconds
CASE WHEN "{value}" < ':' THEN strftime('%Y-%m-%d %H:%M:%f', "{value}" / 1e6, 'unixepoch') END

-- name: read_nanoseconds
CASE WHEN "{value}" < ':' THEN strftime('%Y-%m-%d %H:%M:%f', "{value}" / 1e9, 'unixepoch') END

-- name: read_any
-- Any of these forms. Long, and so only for times that stand in no index. Numbers are told apart by their size.
CASE WHEN typeof("{value}") = 'text' THEN "{read_go}"
     WHEN abs("{value}") < 1e11 THEN "{read_seconds}"
     WHEN abs("{value}") < 1e14 THEN "{read_milliseconds}"
     WHEN abs("{value}") < 1e17 THEN "{read_microseconds}"
     ELSE "{read_nanoseconds}" END

-- name: read_last_activity
-- What cannot be read counts as the end of time: it makes nothing due.
coalesce("{last_activity_time}", '9999-12-31 23:59:59.999')

-- name: read_expires_at
CASE WHEN "{expires_at}" IS NOT NULL THEN coalesce("{expires_at_time}", '9999-12-31 23:59:59.999') END

-- name: read_last_sign
-- The moment from which deletion is counted: sessioncleanup.LastSign.
max("{last_activity_at}", coalesce("{expires_at_at}", ''))

-- name: now
strftime('%Y-%m-%d %H:%M:%f', 'now')

-- name: write_text
"{value}"

-- name: write_go
"{value}" || ' +0000 UTC'

-- name: write_seconds
CAST(strftime('%s', "{value}") AS INTEGER)

-- name: write_milliseconds
(CAST(strftime('%s', "{value}") AS INTEGER) * 1000 + CAST(substr("{value}", 21, 3) AS INTEGER))

-- name: write_microseconds
(CAST(strftime('%s', "{value}") AS INTEGER) * 1000 + CAST(substr("{value}", 21, 3) AS INTEGER)) * 1000

-- name: write_nanoseconds
(CAST(strftime('%s', "{value}") AS INTEGER) * 1000 + CAST(substr("{value}", 21, 3) AS INTEGER)) * 1000000
