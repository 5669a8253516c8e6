-- Changes of sessions that the transaction has locked.

-- name: change
UPDATE "{sessions}" AS t
   SET "{active_column}" = CASE WHEN NOT :set_active THEN t."{active_column}" WHEN :active THEN "{active_on}" ELSE "{active_off}" END,
       "{auto_cleanup_column}" = IF(:set_auto_cleanup, :auto_cleanup, t."{auto_cleanup_column}"),
       "{last_activity_column}" = IF(:set_last_activity, :last_activity, t."{last_activity_column}"),
       "{expires_at_column}" = IF(:set_expires_at, :expires_at, t."{expires_at_column}"),
       "{deactivated_at_column}" = IF(:set_deactivated_at, :deactivated_at, t."{deactivated_at_column}")"{keep}"
 WHERE "{id}" = :id

-- name: use
UPDATE "{chosen}" SET t."{last_activity_column}" = "{at}""{keep}"

-- name: delete
"{remove}"

-- name: delete_batch
-- A row of another table that is deleted along may be locked: a batch does not wait for it.
/*M!100600 SET STATEMENT innodb_lock_wait_timeout = 0 FOR */ "{remove}"

-- name: remove
DELETE t FROM "{chosen}"

-- name: mark_deleted
UPDATE "{chosen}" SET t."{deleted_at_column}" = :at"{keep}"

-- name: deactivate_batch
UPDATE "{chosen}" SET t."{active_column}" = "{active_off}", t."{deactivated_at_column}" = :at"{keep}"

-- name: date_batch
UPDATE "{chosen}" SET t."{deactivated_at_column}" = :at"{keep}"

-- name: correct_batch
UPDATE "{chosen}" SET t."{last_activity_column}" = :at"{keep}"

-- name: find_batch
-- Sessions that are due by what their table has, in the order of an index; locked, but for those that others have
-- locked. Those with notes are looked at again.
SELECT "{id_text}", "{owner_text}", "{name_text}", "{place_column}", UTC_TIMESTAMP(6)
  FROM "{sessions}" AS t FORCE INDEX ("{index}")
 WHERE "{visible}" AND "{prefilter}" AND "{due}" AND "{filter}" AND "{beyond}"
 ORDER BY "{order}"
 LIMIT :limit "{locking}"

-- name: locking
FOR UPDATE SKIP LOCKED

-- name: find_noted
-- Whether any of the sessions locked has a note: of a transaction that was committed before they were locked, if it
-- used them. And whether any session has a tag.
SELECT EXISTS (SELECT 1 FROM sessioncleanup_touches WHERE session IN (:locked)), EXISTS (SELECT 1 FROM sessioncleanup_tags)

-- name: beyond_place
("{place_column}" >= :after_place AND ("{place_column}" > :after_place OR "{id}" > :after_id))

-- name: beyond_id
"{id}" > :after_id

-- name: due_batch
-- Those of the sessions found that are due.
SELECT t.id_text, t.owner_text, t.name_text, t.noted IS NOT NULL, "{kept_since}", UTC_TIMESTAMP(6) FROM "{seen}" WHERE "{due}" AND "{condition}" ORDER BY t.place, t.id

-- name: find_notes
-- Notes whose transactions are committed, the oldest first.
SELECT id, "{note_text}" FROM sessioncleanup_touches WHERE at <= :now ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED

-- name: find_notes_of
SELECT id FROM sessioncleanup_touches WHERE session IN (:ids) FOR UPDATE SKIP LOCKED

-- name: forget_notes
DELETE FROM sessioncleanup_touches WHERE id IN (:notes)

-- name: note_use
-- As the triggers do it, in a transaction of the application's, whose connection may have any settings. Its driver
-- counts the parameters.
INSERT INTO sessioncleanup_touches (session, at) VALUES "{rows}"

-- name: note_row
(?, UTC_TIMESTAMP(3))

-- name: stretches
-- One step in the index for each, whatever it holds.
SELECT "{states_read}" t."{class_column}", "{is_active}"
  FROM (SELECT DISTINCT "{states}" FROM "{sessions}" FORCE INDEX (sessioncleanup_due_idle)) AS t
 WHERE "{conditions}"
