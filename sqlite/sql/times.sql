-- How times are read and written. Indexes, view, triggers and queries use the same expressions, so that they agree and
-- that a query finds its index. They are kept short, and mention the reading of a column once: each program that opens the
-- database reads them, and SQLite evaluates several of them for each write of the application to a session.

-- name: read_time
-- Text in UTC with milliseconds, or NULL for a value that cannot be read, and for 0: text as Go's time.Time.String writes
-- it (2006-01-02 15:04:05.999999999 -0700 MST), or as strftime reads it; or a number, also as text: a Julian day, or a Unix
-- time in a unit that its size tells: 864e2, 864e5, 864e8 or 864e11 of them are a day. Those of 1970 to 1978 in a smaller
-- unit are taken for a larger one, in which they lie behind the end of time, as do numbers that stand for year 9999. Numbers
-- below are no Unix times that anybody means: 20301224, 24.12.2030, days, minutes.
strftime('%Y-%m-%d %H:%M:%f',CASE WHEN "{value}" GLOB '[0-9]*-* [-+][0-9]* *' THEN substr("{value}",1,22+instr(substr("{value}",20),' '))||':'||substr("{value}",23+instr(substr("{value}",20),' '),2) WHEN "{value}" GLOB '[0-9][0-9][0-9][0-9]-*' THEN "{value}" WHEN "{value}" GLOB '[1-9]*' AND "{value}" NOT GLOB '*[^+0-9.e]*' THEN CASE WHEN "{value}"+0 BETWEEN 24e5 AND "{julian_to}" THEN "{value}" WHEN "{value}"+0>=31536e3 THEN "{value}"/('864e'||(max(9,length(CAST("{value}"/2.6 AS INT)))/3*3-7))+2440587.5 END END)

-- name: read_own
-- That of a column that the library made, and writes as text.
CASE WHEN "{value}" GLOB '[1-9]*-*' THEN strftime('%Y-%m-%d %H:%M:%f',"{value}") END

-- name: stands_for_something
-- A value that cannot be read, also a blob, but is none of the zero values of programs: empty, 0, '-infinity', '0000-00-00'.
"{value}"<>'' AND "{value}" NOT GLOB '-*' AND "{value}"||'x' NOT GLOB '0[.0x]*'

-- name: time_or_unreadable
coalesce("{time}",CASE WHEN "{stands}" THEN '9000-01-01 00:00:00.000' END)

-- name: at_the_latest
CASE WHEN "{value}" GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]' THEN strftime('%Y-%m-%d %H:%M:%f',"{value}",'+1 day') ELSE "{time}" END

-- name: last_activity_at
-- Instead of none, and of one before 1971, the creation counts, however early it is. Sessions of which nothing is known, those
-- used at the end of time and those of which the value cannot be read are never due. That is year 9000, so that what is added
-- to it can still be written as a time.
min('9000-01-01 00:00:00.000',coalesce(nullif(max('1971',coalesce("{last_activity_read}",CASE WHEN "{last_activity_stands}" THEN '9999' END)),'1971'),"{created_at_time}",'9999'))

-- name: expires_at_at
-- Before 1970, at 0, and at the end of time it stands for none. One that cannot be read lies in year 9000: it makes
-- nothing due.
nullif(nullif(max('1970',min('9999',coalesce("{expires_at_read}",CASE WHEN "{expires_at_stands}" AND NOT "{expires_at_infinite}" THEN '9000-01-01 00:00:00.000' END))),'1970'),'9999')

-- name: is_infinite
-- Whether a value that cannot be read, or is read as year 9000 or later, lies at the end of time. Julian days from 5e6 on do.
("{value}" GLOB '[+Ii]*[Nn][Ff]*' OR "{value}" GLOB '9[0-9][0-9][0-9]-*' OR "{value}" GLOB '[1-9][0-9][0-9][0-9][0-9]*-*' OR "{value}" GLOB '[1-9]*' AND ("{value}"+0>=31536e3 OR "{value}"+0 BETWEEN 5e6 AND 6e6) AND "{value}" NOT GLOB '*[^+0-9.e]*')

-- name: is_unknown
-- The zero values of programs.
("{value}" IS NULL OR "{value}" IN ('','-infinity',0,'0') OR "{value}" GLOB '000[01]-0[01]-0[01]*')

-- name: last_activity_known
-- Empty when nothing is known, or the value cannot be read. The end of time lies behind every use, so that it stays.
replace("{last_activity_at}",'9000-01-01 00:00:00.000',CASE WHEN "{last_activity_infinite}" THEN '9999' ELSE '' END)

-- name: deactivated_at_time
-- 1970 stands for before the adoption, also as a number.
nullif(max('1900',min('9000-01-01 00:00:00.000',coalesce("{deactivated_at_read}",CASE WHEN "{deactivated_at}" IN (0,'0') THEN '1970-01-01 00:00:00.000' END))),'1900')

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
