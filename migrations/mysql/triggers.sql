-- Triggers. They do nothing for the library's own connections, which set the variable. A TIMESTAMP is set to the
-- server's time directly. An expression would be a local time, which is ambiguous in the hour that is repeated in
-- autumn.

-- name: session_inserted
-- For applications that do not know these columns. A row that is inserted is a session in use.
CREATE TRIGGER "{name}" BEFORE INSERT ON "{sessions}" FOR EACH ROW
BEGIN
  SET NEW."{since_column}" = UTC_TIMESTAMP(6), NEW."{class_column}" = NULL;
  IF @sessioncleanup_own IS NULL THEN
    IF NEW."{last_activity_column}" IS NULL THEN
      SET NEW."{last_activity_column}" = "{now_last_activity}";
    END IF;
    SET NEW."{auto_cleanup_column}" = COALESCE(NEW."{auto_cleanup_column}", "{auto_cleanup_default}");
  END IF;
END

-- name: session_updated
-- The application deactivates or reactivates, as Session.Observe has it, or shows that the session is in use.
CREATE TRIGGER "{name}" BEFORE UPDATE ON "{sessions}" FOR EACH ROW
BEGIN
  IF @sessioncleanup_own IS NULL AND "{new_visible}" THEN
    IF "{old_active}" AND NOT "{new_active}" THEN
      IF NEW."{deactivated_at_column}" <=> OLD."{deactivated_at_column}" THEN
        SET NEW."{deactivated_at_column}" = "{now_deactivated_at}";
      END IF;
    ELSEIF "{new_active}" AND NOT "{old_active}" THEN
      SET NEW."{deactivated_at_column}" = NULL;
      IF NEW."{last_activity_column}" <=> OLD."{last_activity_column}" AND "{is_past}" THEN
        SET NEW."{last_activity_column}" = "{now_last_activity}";
      END IF;
    ELSEIF ("{used}") AND NEW."{last_activity_column}" <=> OLD."{last_activity_column}" AND "{is_past}" THEN
      SET NEW."{last_activity_column}" = "{now_last_activity}";
    END IF;
  END IF;
END

-- name: is_past
COALESCE("{old_last_activity}" <= UTC_TIMESTAMP(3), TRUE)

-- name: old_stamp
TIMESTAMP'1970-01-01 00:00:00' + INTERVAL UNIX_TIMESTAMP(OLD."{column}") SECOND

-- name: used_by_update
-- Where there is no activity table, a changed time of the application's last update shows that the session is in use.
NOT (NEW."{updated_at_column}" <=> OLD."{updated_at_column}")

-- name: appeared
-- A row whose deletion was undone, or that became a session by another change.
NOT "{old_visible}"

-- name: tagged
-- A tag belongs to the row that its session has now. Rows that a foreign key deletes fire no trigger, so that tags are
-- not deleted with them.
CREATE TRIGGER "{name}" BEFORE "{event}" ON sessioncleanup_tags FOR EACH ROW
BEGIN
  DECLARE found DATETIME(6);
  SET found = (SELECT "{born}" FROM "{sessions}" AS t WHERE "{id}" = NEW.session_id);
  IF found IS NULL THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'sessioncleanup_tags: there is no session with this session_id';
  END IF;
  SET NEW.since = found;
END

-- name: retagged
-- The class of the session follows with the next run, also where the application has the other triggers do nothing. A
-- tag that the library removes is not noted: its session is deleted, or gets its class at once.
CREATE TRIGGER "{name}" AFTER "{event}" ON sessioncleanup_tags FOR EACH ROW
BEGIN
  IF "{noted}" THEN
    INSERT INTO sessioncleanup_retagged (session) VALUES ("{retagged}");
  END IF;
END

-- name: column_tag
-- As sessioncleanup.ColumnTag: empty if the value makes no tag. Other characters than ASCII become question marks.
IF(CHAR_LENGTH("{tag_column}") BETWEEN 1 AND "{longest_value}" AND CONVERT("{tag_column}" USING ascii) NOT RLIKE '[^A-Za-z0-9_.:-]',
   CONCAT("{prefix}", LOWER(CONVERT("{tag_column}" USING ascii))), '')

-- name: column_inserted
-- Schema.TagColumns, for the library's own connections, too: they restore sessions.
CREATE TRIGGER "{name}" AFTER INSERT ON "{sessions}" FOR EACH ROW
BEGIN
  "{follow_columns}"
END

-- name: column_updated
-- Also in a statement of the library's, where a trigger of the application changes the column: there the tags that go are not noted by themselves.
-- Each is deleted by the whole of its key, along its index: a range, what is only looked for in one, and what is found along an index
-- that is not unique would be locked with the gaps beside it, and so applications that change other sessions.
CREATE TRIGGER "{name}" AFTER UPDATE ON "{sessions}" FOR EACH ROW
BEGIN
  IF "{columns_changed}" THEN
    "{refollow_columns}"
    IF @sessioncleanup_library IS NOT NULL THEN
      INSERT INTO sessioncleanup_retagged (session) VALUES (NEW."{id_column}");
    END IF;
  END IF;
END

-- name: column_changed
NOT (CAST(NEW."{tag_column}" AS BINARY) <=> CAST(OLD."{tag_column}" AS BINARY))

-- name: follow_column
IF "{row_tag}" <> '' THEN
    INSERT INTO sessioncleanup_tags (session_id, tag) VALUES (NEW."{id_column}", "{row_tag}") ON DUPLICATE KEY UPDATE tag = VALUES(tag);
  END IF;

-- name: refollow_column
IF "{row_tag}" <> "{old_tag}" OR NOT (NEW."{id_column}" <=> OLD."{id_column}") THEN
      IF "{old_tag}" <> '' THEN
        DELETE g FROM sessioncleanup_tags AS g FORCE INDEX (sessioncleanup_tags_session)
         WHERE g.session_id = OLD."{id_column}" AND g.since = COALESCE(OLD."{since_column}", TIMESTAMP'1970-01-01 00:00:01') AND g.tag = "{old_tag}";
      END IF;
      "{follow}"
    END IF;

-- name: has_prefix
(tag >= "{prefix}" AND tag < "{after_prefix}")

-- name: activity_inserted
-- A value that cannot be the ID of a session is not an error of the application: it refers to nothing.
CREATE TRIGGER "{name}" AFTER INSERT ON "{source}" FOR EACH ROW
BEGIN
  DECLARE CONTINUE HANDLER FOR 1264, 1265, 1292, 1366, 1406 BEGIN END;
  IF @sessioncleanup_own IS NULL AND NEW."{source_session}" IS NOT NULL THEN
    INSERT INTO sessioncleanup_touches (session, at) VALUES (NEW."{source_session}", UTC_TIMESTAMP(3));
  END IF;
END

-- name: activity_updated
-- A row that moves is activity in the session that it left, too.
CREATE TRIGGER "{name}" AFTER UPDATE ON "{source}" FOR EACH ROW
BEGIN
  DECLARE CONTINUE HANDLER FOR 1264, 1265, 1292, 1366, 1406 BEGIN END;
  IF @sessioncleanup_own IS NULL THEN
    IF NEW."{source_session}" IS NOT NULL THEN
      INSERT INTO sessioncleanup_touches (session, at) VALUES (NEW."{source_session}", UTC_TIMESTAMP(3));
    END IF;
    IF OLD."{source_session}" IS NOT NULL AND NOT (NEW."{source_session}" <=> OLD."{source_session}") THEN
      INSERT INTO sessioncleanup_touches (session, at) VALUES (OLD."{source_session}", UTC_TIMESTAMP(3));
    END IF;
  END IF;
END
