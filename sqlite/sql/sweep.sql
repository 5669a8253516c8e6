-- The batches of a run. Each search but that for given sessions names its index, and fails without it instead of reading the whole table. Notes of
-- before the run were folded in; a newer one, and one that could not be, keeps its session.

-- name: select_batch
SELECT id, owner, name, place, "{key_as_text}"
  FROM (SELECT "{id_text}" AS id, "{owner_text}" AS owner, "{name_text}" AS name, "{place}" AS place, "{key}" AS key, "{id}" AS noted
          FROM "{sessions}" "{indexed_by}"
         WHERE "{due}" AND "{condition}")
 WHERE "{beyond}"
   AND NOT EXISTS (SELECT 1 FROM sessioncleanup_touches AS sessioncleanup_note
                    WHERE sessioncleanup_note.session = noted
                      AND max(coalesce(sessioncleanup_note.at, ''), coalesce(sessioncleanup_note.deactivated_at, '')) >= :kept_by_note)
 ORDER BY "{order}"
 LIMIT :limit + 0

-- name: indexed_by
INDEXED BY "{index}"

-- name: only
"{id}" IN (SELECT "{listed_id}" FROM json_each(:only))

-- name: beyond
-- A comparison of pairs, (place, key) > (:after_place, :after_key), would not use the index.
place >= :after_place AND (place > :after_place OR key > :after_key)

-- name: deactivate_batch
UPDATE "{sessions}" SET "{active_column}" = "{active_off}", "{deactivated_at_column}" = "{write_now}" WHERE "{key}" IN (SELECT "{listed_key}" FROM json_each(:keys))

-- name: date_batch
UPDATE "{sessions}" SET "{deactivated_at_column}" = "{write_now}" WHERE "{key}" IN (SELECT "{listed_key}" FROM json_each(:keys))

-- name: correct_batch
UPDATE "{sessions}" SET "{last_activity_column}" = "{write_used_now}" WHERE "{key}" IN (SELECT "{listed_key}" FROM json_each(:keys))

-- name: delete_batch
"{remove}" WHERE "{key}" IN (SELECT "{listed_key}" FROM json_each(:keys))

-- name: space
-- Rows that this connection changed, and bytes of the file that are free.
SELECT total_changes(), (SELECT freelist_count FROM pragma_freelist_count) * (SELECT page_size FROM pragma_page_size)

-- name: of_class
-- By the column, for the index, and by the tags, which decide.
"{class}" = :class AND "{has_class}" AND "{true_class}" IS :class
