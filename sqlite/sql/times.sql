-- How times are read and written. Indexes, view, triggers and queries use the same expressions, so that they agree and
-- that a query finds its index. They are kept short: each program that opens the database reads them, and SQLite
-- evaluates several of them for each write of the application to a session.

-- name: read_time
-- Text in UTC with milliseconds, or NULL for a value that cannot be read: text as strftime reads it, or as Go's
-- time.Time.String writes it (2006-01-02 15:04:05.999999999 -0700 MST); or a number, also as text: a Julian day, or a Unix
-- time in a unit that its size tells. Those of 1970 to 1978 in a smaller unit are taken for a larger one, in which they lie
-- behind the end of time, as do numbers that stand for year 9999.
CASE WHEN "{value}" GLOB '[0-9]*-*' THEN coalesce(strftime('%Y-%m-%d %H:%M:%f',"{value}"),strftime('%Y-%m-%d %H:%M:%f',substr("{value}",1,18+instr(substr("{value}",20),' '))||substr("{value}",20+instr(substr("{value}",20),' '),3)||':'||substr("{value}",23+instr(substr("{value}",20),' '),2))) WHEN "{value}" GLOB '[-0-9]*' AND "{value}" NOT GLOB '*[^-+0-9.e]*' THEN strftime('%Y-%m-%d %H:%M:%f',max(1721059.5,CASE WHEN "{value}"+0 BETWEEN 24e5 AND "{julian_to}" THEN "{value}"+0 ELSE ("{value}"+0)/CASE WHEN "{value}"+0<2.6e11 THEN 864e2 WHEN "{value}"+0<2.6e14 THEN 864e5 WHEN "{value}"+0<2.6e17 THEN 864e8 ELSE 864e11 END+2440587.5 END)) END

-- name: is_infinite
-- Year 9999, and what lies behind everything that can be read.
(lower("{value}") IN ('infinity','+infinity','inf') OR "{value}" GLOB '9999-*' OR "{value}" GLOB '[1-9][0-9][0-9][0-9][0-9]*-*' OR "{value}" GLOB '[0-9]*' AND "{value}" NOT GLOB '*[^+0-9.e]*')

-- name: last_activity_known
-- NULL when nothing is known, or the value cannot be read. Instead of none, and of one before 1971, the creation counts.
CASE WHEN "{last_activity_read}">='1971' THEN "{last_activity_read}" WHEN "{last_activity_unknown}" THEN "{created_at_time}" WHEN "{last_activity_read}" IS NOT NULL THEN coalesce("{created_at_time}","{last_activity_read}") END

-- name: last_activity_at
-- Sessions of which nothing is known, and those used at the end of time, are never due. That is year 9000, so that what is
-- added to it can still be written as a time.
min(coalesce("{last_activity_known}",'9000-01-01 00:00:00.000'),'9000-01-01 00:00:00.000')

-- name: expires_at_at
-- Before 1970, at 0, and at the end of time it stands for none. One that cannot be read lies at the end of time: it makes
-- nothing due.
CASE WHEN "{expires_at}" IN (0,'0') THEN NULL WHEN "{expires_at_read}" BETWEEN '1970' AND '9999' THEN "{expires_at_read}" WHEN "{expires_at_unreadable}" THEN '9000-01-01 00:00:00.000' END

-- name: is_unknown
-- The zero values of programs.
("{value}" IS NULL OR "{value}" IN ('','-infinity',0,'0') OR "{value}" GLOB '000[01]-0[01]-0[01]*')

-- name: is_unreadable
("{value}" NOT IN ('','-infinity') AND "{read}" IS NULL AND NOT "{value}" GLOB '0000-00*' AND NOT "{infinite}")

-- name: deactivated_at_time
-- 1970 stands for before the adoption.
CASE WHEN "{deactivated_at_read}">='1900' THEN min("{deactivated_at_read}",'9000-01-01 00:00:00.000') END

-- name: kept_since
-- As Session.KeptSince; NULL while the deactivation is not known.
max("{last_activity_at}",coalesce("{expires_at_at}",''),"{deactivated_at_time}")

-- name: clock
strftime('%Y-%m-%d %H:%M:%f', 'now')

-- name: write_text
"{value}"

-- name: write_go
"{value}" || ' +0000 UTC'

-- name: write_julian
julianday("{value}")

-- name: write_seconds
CAST(strftime('%s', "{value}") AS INTEGER)

-- name: write_milliseconds
(CAST(strftime('%s', "{value}") AS INTEGER) * 1000 + CAST(substr("{value}", 21, 3) AS INTEGER))

-- name: write_microseconds
(CAST(strftime('%s', "{value}") AS INTEGER) * 1000 + CAST(substr("{value}", 21, 3) AS INTEGER)) * 1000

-- name: write_nanoseconds
(CAST(strftime('%s', "{value}") AS INTEGER) * 1000 + CAST(substr("{value}", 21, 3) AS INTEGER)) * 1000000
