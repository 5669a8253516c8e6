-- The tags of Schema.TagColumns: rows of the table of tags that follow columns of the sessions.

-- name: column_tag
-- As sessioncleanup.ColumnTag: empty if the value makes no tag.
CASE WHEN lower("{value}"::text COLLATE "C") ~ '^[a-z0-9_.:-]+$' AND length("{prefix}" || "{value}"::text) <= 50
     THEN "{prefix}" || lower("{value}"::text COLLATE "C") ELSE '' END

-- name: sessioncleanup_tag_columns
-- Updates the tags of a session in the statement that writes its columns, whoever executes it. The trigger has no
-- condition on the columns, which would keep the application from altering them. A missing column makes no statement
-- fail; runs then refuse to work.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_tag_columns() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_tags text[];
BEGIN
    BEGIN
        v_tags := "{new_tags}";
        IF TG_OP = 'UPDATE' THEN
            IF v_tags = "{old_tags}" AND NEW."{id}" "{id_eq}" OLD."{id}" THEN
                RETURN NULL;
            END IF;
        END IF;
        IF to_regclass("{tags_literal}") IS NULL THEN
            RETURN NULL;
        END IF;
    EXCEPTION WHEN undefined_column THEN
        RETURN NULL;
    END;
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM "{tags}" t WHERE t.session_id = OLD."{id}" AND "{of_columns}" AND NOT (t.session_id = NEW."{id}" AND t.tag = ANY (v_tags));
    END IF;
    DELETE FROM "{tags}" t WHERE t.session_id = NEW."{id}" AND "{of_columns}" AND t.tag <> ALL (v_tags);
    INSERT INTO "{tags}" (session_id, tag) SELECT NEW."{id}", n.tag FROM unnest(v_tags) n (tag) WHERE n.tag <> '' ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$sessioncleanup$;
REVOKE EXECUTE ON FUNCTION "{space}".sessioncleanup_tag_columns() FROM PUBLIC;

-- name: tag_columns_trigger
CREATE TRIGGER "{trigger}" AFTER INSERT OR UPDATE ON "{source}"
FOR EACH ROW EXECUTE FUNCTION "{space}".sessioncleanup_tag_columns();

-- name: mistagged
-- Whether a session lacks a tag of its columns, or has another one.
(ARRAY(SELECT t.tag FROM "{tags}" t WHERE t.session_id = s."{id}" AND "{of_columns}" ORDER BY t.tag)
 <> ARRAY(SELECT n.tag FROM unnest("{its_tags}") n (tag) WHERE n.tag <> '' ORDER BY n.tag COLLATE "C"))

-- name: tag_some
-- The lock keeps the columns as they are until this is committed.
, removed AS (
    DELETE FROM "{tags}" t USING free f WHERE t.session_id = f.id AND "{of_columns}" AND t.tag <> ALL (f.tags)
), written AS (
    INSERT INTO "{tags}" (session_id, tag) SELECT f.id, n.tag FROM free f CROSS JOIN unnest(f.tags) n (tag) WHERE n.tag <> '' ON CONFLICT DO NOTHING
)

-- name: tag_chunk
-- Rows that another transaction has locked are left to another pass.
WITH chunk AS (
    SELECT s."{id}" AS id FROM "{sessions}" s
     WHERE $1::text IS NULL OR s."{id}" "{id_after}" $1::text::"{id_type}"
     ORDER BY s."{id}" LIMIT $2::integer
), wrong AS MATERIALIZED (
    SELECT s."{id}" AS id FROM chunk c JOIN "{sessions}" s ON s."{id}" "{id_eq}" c.id WHERE "{mistagged}"
), free AS MATERIALIZED (
    SELECT s."{id}" AS id, "{its_tags}" AS tags FROM wrong w JOIN "{sessions}" s ON s."{id}" "{id_eq}" w.id FOR NO KEY UPDATE OF s SKIP LOCKED
)"{tag_some}"
SELECT (SELECT c.id::text FROM chunk c ORDER BY c.id DESC LIMIT 1), (SELECT count(*) FROM chunk), (SELECT count(*) FROM wrong) - (SELECT count(*) FROM free);

-- name: tag_all
WITH free AS MATERIALIZED (
    SELECT s."{id}" AS id, "{its_tags}" AS tags FROM "{sessions}" s FOR NO KEY UPDATE OF s
)"{tag_some}"
SELECT count(*) FROM free;

-- name: untag_chunk
DELETE FROM "{tags}" t
 WHERE (t.session_id, t.tag) IN (SELECT t.session_id, t.tag FROM "{tags}" t WHERE "{of_columns}" ORDER BY t.tag, t.session_id LIMIT $1::integer);

-- name: untag_all
DELETE FROM "{tags}" t WHERE "{of_columns}";

-- name: settings_tagged
-- Runs go through the sessions with these tags again, because there are no notes of their changes.
UPDATE "{rule_tags}" t SET after = NULL, walked = false WHERE "{of_columns}";
UPDATE "{settings}" SET places = jsonb_set(places, '{tags}', "{tags_json}"::jsonb);
