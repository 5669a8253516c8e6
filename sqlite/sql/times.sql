-- How times are read and written. One expression reads every form: it stands in the indexes, the view, the triggers
-- and the queries alike, so that all of them agree, and an index is found for a condition.

-- name: read_time
-- Any form to text in UTC with milliseconds; NULL for what is no time. Text: what strftime reads, and what Go's
-- time.Time.String writes. It has to begin with a digit or a sign, which keeps out 'now', whose value may not stand in
-- an index. Numbers: seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their size.
CASE WHEN typeof("{value}") = 'text' THEN
       CASE WHEN "{value}" < ':' THEN
         coalesce(
           strftime('%Y-%m-%d %H:%M:%f', "{value}"),
           strftime('%Y-%m-%d %H:%M:%f',
             substr("{value}", 1, 18 + instr(substr("{value}", 20), ' '))
             || substr("{value}", 20 + instr(substr("{value}", 20), ' '), 3) || ':'
             || substr("{value}", 23 + instr(substr("{value}", 20), ' '), 2)))
       END
     WHEN "{value}" IS NOT NULL THEN
       strftime('%Y-%m-%d %H:%M:%f',
         CASE WHEN abs("{value}") < 1e11 THEN "{value}"
              WHEN abs("{value}") < 1e14 THEN "{value}" / 1e3
              WHEN abs("{value}") < 1e17 THEN "{value}" / 1e6
              ELSE "{value}" / 1e9 END, 'unixepoch')
END

-- name: read_last_activity
-- What cannot be read counts as the end of time: it makes nothing due.
coalesce("{last_activity_time}", '9999-12-31 23:59:59.999')

-- name: read_expires_at
CASE WHEN "{expires_at}" IS NOT NULL THEN coalesce("{expires_at_time}", '9999-12-31 23:59:59.999') END

-- name: read_last_sign
-- The moment from which deletion is counted: sessioncleanup.LastSign.
CASE WHEN "{expires_at}" IS NULL THEN "{last_activity_at}" ELSE max("{last_activity_at}", "{expires_at_at}") END

-- name: now
strftime('%Y-%m-%d %H:%M:%f', 'now')

-- name: write_text
"{value}"

-- name: write_seconds
CAST(strftime('%s', "{value}") AS INTEGER)

-- name: write_milliseconds
(CAST(strftime('%s', "{value}") AS INTEGER) * 1000 + CAST(substr("{value}", 21, 3) AS INTEGER))

-- name: write_microseconds
(CAST(strftime('%s', "{value}") AS INTEGER) * 1000 + CAST(substr("{value}", 21, 3) AS INTEGER)) * 1000

-- name: write_nanoseconds
(CAST(strftime('%s', "{value}") AS INTEGER) * 1000 + CAST(substr("{value}", 21, 3) AS INTEGER)) * 1000000
