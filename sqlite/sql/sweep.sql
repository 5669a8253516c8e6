-- The batches of a run. The statement that writes repeats the search of the one that selects, in the same transaction, and
-- so finds the same sessions. Each names its index, and fails without it instead of reading the whole table.

-- name: batch
-- A comparison of pairs, (place, key) > (:after_place, :after_key), would not use the index.
FROM "{sessions}" INDEXED BY "{index}"
 WHERE "{due}" AND "{condition}"
   AND "{place}" >= :after_place AND ("{place}" > :after_place OR "{key}" > :after_key)
 ORDER BY "{place}", "{key}"
 LIMIT :limit

-- name: select_batch
SELECT "{id_text}", "{owner_text}", "{name_text}", "{place}", "{key_text}" "{batch}"

-- name: deactivate_batch
UPDATE "{sessions}" SET "{active_column}" = 0 WHERE "{key}" IN (SELECT "{key}" "{batch}")

-- name: delete_batch
DELETE FROM "{sessions}" WHERE "{key}" IN (SELECT "{key}" "{batch}")
