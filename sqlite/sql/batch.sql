-- One batch of a run. Selecting and writing happen in one transaction that holds the write lock from its start.

-- name: select_due
-- The index gives the order; without it the statement fails rather than sort.
SELECT "{id_text}", "{owner_text}", "{name_text}", "{id}", "{place}"
  FROM "{sessions}" INDEXED BY "{index}"
 WHERE "{due}" AND "{id}" IS NOT NULL AND ("{place}", "{id}") > (:after_place, :after_id)
 ORDER BY "{place}", "{id}"
 LIMIT :limit

-- name: deactivate_due
UPDATE "{sessions}" INDEXED BY "{index}"
   SET "{active_column}" = 0
 WHERE "{due}" AND ("{place}", "{id}") > (:after_place, :after_id) AND ("{place}", "{id}") <= (:last_place, :last_id)

-- name: delete_due
DELETE FROM "{sessions}" INDEXED BY "{index}"
 WHERE "{due}" AND ("{place}", "{id}") > (:after_place, :after_id) AND ("{place}", "{id}") <= (:last_place, :last_id)

-- name: index_idle
sessioncleanup_idle

-- name: index_expired
sessioncleanup_expired

-- name: index_gone
sessioncleanup_gone
