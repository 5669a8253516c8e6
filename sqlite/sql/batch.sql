-- The batches of a run. A batch is one of two things, whichever has it change fewer pages.
--
-- A stretch of the index in which what is due stands in order: that is quick where sessions that became due together lie
-- together in the table, as they do when they were made together.
--
-- Or a list of sessions that follow each other in the table. They are found by the index, a window of many at a time,
-- outside of any transaction, and looked at again by the statement that writes.
--
-- Each statement names its index, and fails without it rather than read the whole table.

-- name: index_idle
sessioncleanup_idle

-- name: index_expired
sessioncleanup_expired

-- name: index_gone
sessioncleanup_gone

-- name: end_of_window
SELECT "{place}"
  FROM "{sessions}" INDEXED BY "{index}"
 WHERE "{due}" AND "{place}" > :from
 ORDER BY "{place}"
 LIMIT 1 OFFSET :size - 1

-- name: last_window
SELECT json_group_array("{key_out}") FROM "{sessions}" INDEXED BY "{index}" WHERE "{due}" AND "{place}" > :from AND "{id}" IS NOT NULL

-- name: window
-- Of two upper bounds SQLite may take the wrong one. The plus in front of the place leaves it this one.
SELECT json_group_array("{key_out}")
  FROM "{sessions}" INDEXED BY "{index}"
 WHERE "{still_due}" AND "{place}" > :from AND "{place}" <= :to AND "{id}" IS NOT NULL

-- name: select_listed
SELECT "{id_text}", "{owner_text}", "{name_text}", "{key_out}"
  FROM "{sessions}"
 WHERE "{key}" IN (SELECT "{listed_key}" FROM json_each(:keys))
 ORDER BY "{key}"

-- name: select_listed_due
SELECT "{id_text}", "{owner_text}", "{name_text}", "{key_out}"
  FROM "{sessions}"
 WHERE "{key}" IN (SELECT "{listed_key}" FROM json_each(:keys)) AND "{still_due}"
 ORDER BY "{key}"

-- name: deactivate_listed
UPDATE "{sessions}" SET "{active_column}" = 0 WHERE "{key}" IN (SELECT "{listed_key}" FROM json_each(:keys)) AND "{still_due}"

-- name: delete_listed
DELETE FROM "{sessions}" WHERE "{key}" IN (SELECT "{listed_key}" FROM json_each(:keys)) AND "{still_due}"

-- name: select_stretch
-- A comparison of pairs would not find the index.
SELECT "{id_text}", "{owner_text}", "{name_text}", "{key_out}", "{place}"
  FROM "{sessions}" INDEXED BY "{index}"
 WHERE "{due}" AND "{place}" >= :after_place AND ("{place}" > :after_place OR "{id}" > :after_id) AND "{id}" IS NOT NULL
 ORDER BY "{place}", "{id}"
 LIMIT :limit

-- name: deactivate_stretch
-- What was selected by its condition in the same transaction, which has the write lock: nothing can have changed since.
UPDATE "{sessions}" SET "{active_column}" = 0 WHERE "{key}" IN (SELECT "{listed_key}" FROM json_each(:keys))

-- name: delete_stretch
DELETE FROM "{sessions}" WHERE "{key}" IN (SELECT "{listed_key}" FROM json_each(:keys))
