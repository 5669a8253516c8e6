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

-- name: deactivate_due
UPDATE "{sessions}" SET "{active_column}" = 0

-- name: delete_due
DELETE FROM "{sessions}"

-- name: first_keys
SELECT json_group_array(key)
  FROM (SELECT "{key_out}" AS key
          FROM "{sessions}" INDEXED BY "{index}"
         WHERE "{due}" AND "{id}" IS NOT NULL
         ORDER BY "{place}"
         LIMIT :limit)

-- name: write_listed
"{write}"
 WHERE "{key}" IN (SELECT "{listed_key}" FROM json_each(:keys)) AND "{still_due}"
RETURNING "{id_text}", "{owner_text}", "{name_text}"

-- name: select_listed
SELECT "{id_text}", "{owner_text}", "{name_text}"
  FROM "{sessions}"
 WHERE "{key}" IN (SELECT "{listed_key}" FROM json_each(:keys)) AND "{still_due}"
 ORDER BY "{key}"

-- name: behind
-- A comparison of pairs would not find the index.
"{place}" >= :after_place AND ("{place}" > :after_place OR "{id}" > :after_id) AND "{id}" IS NOT NULL

-- name: end_of_stretch
-- The plus has the driver give the id as it is stored, whatever type the column was declared with.
SELECT "{place}", +"{id}"
  FROM "{sessions}" INDEXED BY "{index}"
 WHERE "{due}" AND "{behind}"
 ORDER BY "{place}", "{id}"
 LIMIT 1 OFFSET :limit - 1

-- name: select_stretch
SELECT "{id_text}", "{owner_text}", "{name_text}"
  FROM "{sessions}" INDEXED BY "{index}"
 WHERE "{still_due}" AND "{behind}" AND "{place}" <= :to_place AND ("{place}" < :to_place OR "{id}" <= :to_id)

-- name: write_stretch
"{write}"
 WHERE "{key}" IN (
   SELECT "{key}"
     FROM "{sessions}" INDEXED BY "{index}"
    WHERE "{still_due}" AND "{behind}" AND "{place}" <= :to_place AND ("{place}" < :to_place OR "{id}" <= :to_id))
RETURNING "{id_text}", "{owner_text}", "{name_text}"
