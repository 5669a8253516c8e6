-- The batches of a run. What is due is found by its index, a window of many sessions at a time, outside of any
-- transaction; within a window, batches go by the order in which the table lies on disk. So a batch changes few pages, where
-- the order of the index would have it touch one or more for each session.

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

-- name: select_due
-- What of a batch is still due. This and the statement that writes are in one transaction, which has the write lock, so
-- that nothing can change in between. A RETURNING clause would do with one statement, but it makes SQLite keep a copy
-- of every page for the case that the statement fails half way.
SELECT "{id_text}", "{owner_text}", "{name_text}", "{key_out}"
  FROM "{sessions}"
 WHERE "{key}" IN (SELECT "{listed_key}" FROM json_each(:keys)) AND "{still_due}"
 ORDER BY "{key}"

-- name: deactivate_due
UPDATE "{sessions}" SET "{active_column}" = 0 WHERE "{key}" IN (SELECT "{listed_key}" FROM json_each(:keys))

-- name: delete_due
DELETE FROM "{sessions}" WHERE "{key}" IN (SELECT "{listed_key}" FROM json_each(:keys))

-- name: index_idle
sessioncleanup_idle

-- name: index_expired
sessioncleanup_expired

-- name: index_gone
sessioncleanup_gone
