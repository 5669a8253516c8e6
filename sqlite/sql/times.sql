-- How times are read and written. Indexes, view, triggers and queries use the same expressions, so that they agree and
-- that a query finds its index. The expressions are short because SQLite evaluates several of them for each write of the
-- application to a session.
--
-- Each returns text in UTC with milliseconds, or NULL for a value that it cannot read. A text must begin with a digit or
-- a sign. That keeps out 'now', which an index must not depend on.

-- name: read_text
CASE WHEN "{value}" < ':' THEN strftime('%Y-%m-%d %H:%M:%f', "{value}") END

-- name: read_go
-- Also as Go's time.Time.String writes it: 2006-01-02 15:04:05.999999999 -0700 MST
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
-- Any of these forms, numbers by their size. Long, and so only for times that no index contains.
CASE WHEN typeof("{value}") = 'text' THEN "{read_go}"
     WHEN abs("{value}") < 1e11 THEN "{read_seconds}"
     WHEN abs("{value}") < 1e14 THEN "{read_milliseconds}"
     WHEN abs("{value}") < 1e17 THEN "{read_microseconds}"
     ELSE "{read_nanoseconds}" END

-- name: last_activity_at
-- A time that cannot be read counts as the end of time: it makes nothing due.
coalesce("{last_activity_time}", '9999-12-31 23:59:59.999')

-- name: expires_at_at
CASE WHEN "{expires_at}" IS NOT NULL THEN coalesce("{expires_at_time}", '9999-12-31 23:59:59.999') END

-- name: kept_since
-- As Session.KeptSince.
max("{last_activity_at}", coalesce("{expires_at_at}", ''))

-- name: clock
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
