-- The triggers write to nothing but the library's own tables, and name no other: so no constraint or trigger of the
-- application can make its statements fail because of them, and tools that rebuild tables (make a new one, copy, drop,
-- rename) can. They do nothing in the library's own transactions.

-- name: create_touches
-- Notes: see sqlite/sql/notes.sql. The key has the affinity of a session's id, so that values are compared as a foreign
-- key compares them. It is a name other than INTEGER's, which would refuse other values.
CREATE TABLE sessioncleanup_touches (
    session "{key_type}" NOT NULL COLLATE "{key_collation}" PRIMARY KEY,
    at TEXT, -- when it was used
    deactivated_at TEXT, -- when the application deactivated it
    auto_cleanup INTEGER, -- the policy's default when it was inserted
    refused INTEGER NOT NULL DEFAULT 0 -- it cannot be written to the sessions table
) WITHOUT ROWID

-- name: trigger_session_inserted
-- For applications that do not know these columns. A row that is inserted is a session in use.
CREATE TRIGGER sessioncleanup_session_inserted AFTER INSERT ON "{sessions}"
WHEN NEW."{id_column}" IS NOT NULL"{if_new_visible}" AND NOT (SELECT writing FROM sessioncleanup_settings)
BEGIN
  DELETE FROM sessioncleanup_touches WHERE session = +NEW."{id_column}";
  INSERT INTO sessioncleanup_touches (session, at, auto_cleanup)
  SELECT NEW."{id_column}", CASE WHEN "{new_is_unknown}" THEN "{now}" END, (SELECT auto_cleanup_default FROM sessioncleanup_settings)
   WHERE "{new_is_unknown}" OR NEW."{auto_cleanup_column}" IS NULL"{or_tagged}";
END

-- name: trigger_session_changed
-- The application deactivates or reactivates, as Session.Observe has it. Uninstall reads the names of the columns, which
-- SQLite keeps right when they are renamed, here.
CREATE TRIGGER sessioncleanup_session_changed
AFTER UPDATE OF "{active_column}", "{last_activity_column}", "{expires_at_column}", "{auto_cleanup_column}", "{deactivated_at_column}" ON "{sessions}"
WHEN NEW."{id_column}" IS NOT NULL"{if_new_visible}"
 AND (("{new_active}" IS 0) <> ("{old_active}" IS 0) OR NEW."{deactivated_at_column}" IS NOT OLD."{deactivated_at_column}")
 AND NOT (SELECT writing FROM sessioncleanup_settings)
BEGIN
  INSERT INTO sessioncleanup_touches (session)
  SELECT NEW."{id_column}"
   WHERE ("{new_active}" IS 0) <> ("{old_active}" IS 0)
     AND NOT EXISTS (SELECT 1 FROM sessioncleanup_touches WHERE session = +NEW."{id_column}");
  UPDATE sessioncleanup_touches
     SET at = CASE WHEN ("{new_active}" IS 0) = ("{old_active}" IS 0) THEN at
                   WHEN NEW."{last_activity_column}" IS NOT OLD."{last_activity_column}" THEN NULL
                   WHEN "{new_active}" IS NOT 0 THEN "{now}"
                   ELSE at END,
         deactivated_at = CASE WHEN "{new_active}" IS 0 AND NEW."{deactivated_at_column}" IS OLD."{deactivated_at_column}" THEN "{now}" END,
         refused = 0
   WHERE session = +NEW."{id_column}";
END

-- name: trigger_session_appeared
-- A row that becomes a session by an update, such as one whose deletion is undone, is a session in use. Migrate reads the
-- names of the columns, which SQLite keeps right when they are renamed, here.
CREATE TRIGGER sessioncleanup_session_appeared AFTER UPDATE OF "{conditions}" ON "{sessions}"
WHEN NEW."{id_column}" IS NOT NULL"{if_new_visible}" AND NOT coalesce("{old_visible}", 0) AND NOT (SELECT writing FROM sessioncleanup_settings)
BEGIN
  DELETE FROM sessioncleanup_touches WHERE session = +NEW."{id_column}";
  INSERT INTO sessioncleanup_touches (session, at, auto_cleanup)
  VALUES (NEW."{id_column}", "{now}", (SELECT auto_cleanup_default FROM sessioncleanup_settings));
END

-- name: trigger_session_used
-- A last activity that the application itself writes replaces older notes, even if it is the value that the column has.
CREATE TRIGGER sessioncleanup_session_used AFTER UPDATE OF "{last_activity_column}" ON "{sessions}"
WHEN ("{new_active}" IS 0) = ("{old_active}" IS 0) AND NOT ("{updated_alone}")
 AND NOT (SELECT writing FROM sessioncleanup_settings)
BEGIN
  UPDATE sessioncleanup_touches SET at = NULL WHERE session = +NEW."{id_column}";
END

-- name: trigger_session_updated
-- Where there is no activity table: a changed time of the application's last update shows that the session is in use.
CREATE TRIGGER sessioncleanup_session_updated AFTER UPDATE OF "{updated_at_column}" ON "{sessions}"
WHEN NEW."{id_column}" IS NOT NULL"{if_new_visible}" AND "{updated_alone}"
 AND NOT (SELECT writing FROM sessioncleanup_settings)
BEGIN
  "{note_use}";
END

-- name: trigger_session_deleted
-- A session that is gone has no tags, so that another one with its id gets none.
CREATE TRIGGER sessioncleanup_session_deleted AFTER DELETE ON "{sessions}"
WHEN OLD."{id_column}" IS NOT NULL
BEGIN
  DELETE FROM sessioncleanup_tags WHERE session_id = "{old_id_text}";
END

-- name: trigger_session_tagged
-- Schema.TagColumns. In the library's own transactions, too: it restores sessions.
CREATE TRIGGER sessioncleanup_session_tagged AFTER INSERT ON "{sessions}"
WHEN NEW."{id_column}" IS NOT NULL
BEGIN
  DELETE FROM sessioncleanup_tags WHERE session_id = "{new_id_text}" AND "{of_columns}" AND tag NOT IN ("{row_tags}");
  "{follow_columns}";
END

-- name: trigger_session_retagged
-- Without a list of columns: one that is computed changes with others.
CREATE TRIGGER sessioncleanup_session_retagged AFTER UPDATE ON "{sessions}"
WHEN "{columns_changed}"
BEGIN
  DELETE FROM sessioncleanup_tags
   WHERE session_id IN ("{old_id_text}", "{new_id_text}") AND "{of_columns}" AND NOT (session_id = "{new_id_text}" AND tag IN ("{row_tags}"));
  "{follow_columns}";
END

-- name: column_changed
NEW."{tag_column}" IS NOT OLD."{tag_column}" COLLATE BINARY

-- name: column_tag
-- As sessioncleanup.ColumnTag: empty if the value makes no tag.
CASE WHEN "{tag_column}" <> '' AND "{prefix}" || lower("{tag_column}") NOT GLOB '*[^a-z0-9_.:-]*' AND length("{prefix}" || "{tag_column}") <= 50
          AND instr(CAST("{tag_column}" AS BLOB), x'00') = 0 THEN "{prefix}" || lower("{tag_column}") ELSE '' END

-- name: has_prefix
tag >= "{prefix}" AND tag < "{after_prefix}"

-- name: follow_columns
INSERT INTO sessioncleanup_tags (session_id, tag)
  SELECT "{new_id_text}", row.tag FROM (SELECT NULL AS tag UNION ALL "{row_tag_rows}") AS row
   WHERE row.tag <> '' AND NEW."{id_column}" IS NOT NULL
     AND NOT EXISTS (SELECT 1 FROM sessioncleanup_tags WHERE session_id = "{new_id_text}" AND tag = row.tag)

-- name: or_tagged
-- By an application that writes tags first.
 OR EXISTS (SELECT 1 FROM sessioncleanup_tags WHERE session_id = "{new_id_text}")

-- name: trigger_tag
-- A session gets another class: see sqlite/class.go. In the library's own transactions, too.
CREATE TRIGGER sessioncleanup_tag_"{event}" AFTER "{event}" ON sessioncleanup_tags
WHEN "{tag_has_rule}"
BEGIN
  INSERT INTO sessioncleanup_touches (session)
  SELECT retagged.id FROM ("{retagged}") AS retagged
   WHERE retagged.id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sessioncleanup_touches WHERE session = +retagged.id);
END

-- name: updated_alone
NEW."{updated_at_column}" IS NOT OLD."{updated_at_column}" AND NEW."{last_activity_column}" IS OLD."{last_activity_column}"

-- name: trigger_activity
-- A row of an activity table that is inserted or updated touches its session. One that moves touches the session that it
-- left, too.
CREATE TRIGGER "{name}" AFTER "{event}" ON "{source}"
WHEN NOT (SELECT writing FROM sessioncleanup_settings)
BEGIN
  "{note_use}";
END

-- name: note_use
-- At most once per touch interval, unless the clock was set back. No statement relies on a conflict: the application's own
-- INSERT OR ... would decide how it is resolved.
UPDATE sessioncleanup_touches SET at = "{now}", refused = 0
   WHERE session IN ("{touched}")
     AND (at IS NULL OR at > "{now}" OR at <= strftime('%Y-%m-%d %H:%M:%f', 'now',
           (SELECT printf('-%.3f seconds', touch_interval_seconds) FROM sessioncleanup_settings)));
  INSERT INTO sessioncleanup_touches (session, at)
  SELECT +used.session, "{now}" FROM ("{touched_rows}") AS used
   WHERE used.session IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sessioncleanup_touches WHERE session = +used.session)

-- name: keep_touches
CREATE TEMP TABLE sessioncleanup_kept AS SELECT * FROM sessioncleanup_touches

-- name: restore_touches
INSERT OR IGNORE INTO sessioncleanup_touches SELECT * FROM temp.sessioncleanup_kept

-- name: forget_kept_touches
DROP TABLE temp.sessioncleanup_kept
