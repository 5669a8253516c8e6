-- Rules by tag. The class of a session consists of its tags that any run had a rule for, separated by spaces; NULL
-- without any. The table of sessions has it in a column, so that each class is one range of an index. The column is a
-- hint: statements that write tags only note the session, without a lock, and runs update the column. The tags
-- themselves decide what is due; see by_tags.

-- name: its_class
-- Among all tags of the session: a condition on the tag for the index would look into it for each rule.
(SELECT string_agg(t.tag, ' ' ORDER BY t.tag) FROM "{tags}" t WHERE t.session_id = s."{id}" AND array_position(v_tags, t.tag) IS NOT NULL)

-- name: walk_rule_tags
UPDATE "{rule_tags}" SET walked = false, after = NULL;

-- name: sessioncleanup_retagged
-- Notes the sessions whose tags a statement changed. On any other table, which a role may have made to run something
-- with the rights of this function's owner, it does nothing.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_retagged() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = "{safe}"
AS $sessioncleanup$
BEGIN
    IF TG_RELID <> to_regclass("{tags_literal}") THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'INSERT' AND current_setting('sessioncleanup.writing', true) = 'tagging' THEN -- Migrate has runs go through these tags
        RETURN NULL;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO "{retagged}" (session_id) SELECT DISTINCT n.session_id FROM new_rows n;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO "{retagged}" (session_id) SELECT DISTINCT o.session_id FROM old_rows o;
    END IF;
    RETURN NULL;
END
$sessioncleanup$;
REVOKE EXECUTE ON FUNCTION "{space}".sessioncleanup_retagged() FROM PUBLIC;

-- name: retagged_insert
CREATE TRIGGER "{trigger}" AFTER INSERT ON "{source}"
REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION "{space}".sessioncleanup_retagged();

-- name: retagged_update
CREATE TRIGGER "{trigger}" AFTER UPDATE ON "{source}"
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION "{space}".sessioncleanup_retagged();

-- name: retagged_delete
-- The condition leaves out tags of sessions that the library deletes.
CREATE TRIGGER "{trigger}" AFTER DELETE ON "{source}"
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT WHEN (pg_catalog.current_setting('sessioncleanup.writing', true) IS DISTINCT FROM 'gone')
EXECUTE FUNCTION "{space}".sessioncleanup_retagged();

-- name: sessioncleanup_class
-- Sets the class of those of the sessions that nobody has locked, forgets their notes and those of sessions that are
-- gone, and says of how many; NULL where a constraint or a trigger of the application refuses one. With p_note it notes
-- those that are locked.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_class(p_ids "{id_type}"[], p_note boolean) RETURNS bigint
LANGUAGE plpgsql
SET search_path = "{safe}" SET enable_seqscan = off SET jit = off
SET lock_timeout = '100ms' -- the application's triggers on sessions run in here
AS $sessioncleanup$
DECLARE
    v_free    "{id_type}"[];
    v_changed "{id_type}"[];
    v_classes text[];
    v_tags    text[];
BEGIN
    v_free := ARRAY(SELECT s."{id}" FROM "{sessions}" s WHERE s."{id}" = ANY (p_ids) FOR NO KEY UPDATE OF s SKIP LOCKED);
    IF p_note THEN
        INSERT INTO "{retagged}" (session_id) SELECT i.id FROM unnest(p_ids) i (id) WHERE i.id <> ALL (v_free);
    END IF;
    DELETE FROM "{retagged}" n
     WHERE n.ctid = ANY (ARRAY(SELECT o.ctid FROM "{retagged}" o
                                WHERE o.session_id = ANY (p_ids)
                                  AND (o.session_id = ANY (v_free) OR NOT EXISTS (SELECT FROM "{sessions}" s WHERE s."{id}" = o.session_id))
                                  FOR UPDATE OF o SKIP LOCKED));
    -- New statements see the rules and the tags that came with these notes, and all that came before them. Later ones have notes of their own.
    v_tags := ARRAY(SELECT t.tag FROM "{rule_tags}" t);
    SELECT array_agg(c.id), array_agg(c.class) INTO v_changed, v_classes
      FROM (SELECT s."{id}" AS id, s."{class}" AS was, "{its_class}" AS class FROM "{sessions}" s WHERE s."{id}" = ANY (v_free) OFFSET 0) c
     WHERE c.class IS DISTINCT FROM c.was;
    IF v_changed IS NOT NULL THEN
        PERFORM set_config('sessioncleanup.writing', 'class', true);
        "{theirs}"
        UPDATE "{sessions}" s SET "{class}" = u.class FROM unnest(v_changed, v_classes) u (id, class) WHERE s."{id}" "{id_eq}" u.id;
        "{ours}"
        PERFORM set_config('sessioncleanup.writing', '', true);
    END IF;
    RETURN (SELECT count(*) FROM unnest(p_ids) i (id) WHERE NOT EXISTS (SELECT FROM "{retagged}" o WHERE o.session_id = i.id));
EXCEPTION WHEN OTHERS THEN
    IF left(SQLSTATE, 2) IN ('57', '08', '40') OR SQLSTATE IN ('53100', '53300', '25006') THEN
        RAISE;
    END IF;
    RETURN NULL;
END
$sessioncleanup$;

-- name: sessioncleanup_classify
-- Has the classes of sessions follow their tags and the tags that have a rule, p_limit or 200 at a time for 20 ms, and
-- says whether there is more to do. What is locked, or cannot be written, is left to the next run. The connection
-- remembers how far it came: what the index has of notes that are gone stays there until a VACUUM, and is not to be
-- read again by each call. Before it says that there is nothing more, it looks at all notes.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_classify(p_rules jsonb, p_limit integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = "{safe}" SET enable_seqscan = off SET jit = off
AS $sessioncleanup$
DECLARE
    v_step    CONSTANT integer := greatest(p_limit, 200);
    v_until   CONSTANT timestamptz := clock_timestamp() + interval '20 milliseconds';
    v_table   CONSTANT text := to_regclass("{tags_literal}")::oid || ':';
    v_settled bigint := 0;
    v_after   "{id_type}";
    v_behind  boolean := starts_with(current_setting('sessioncleanup.classified', true), v_table);
    v_ids     "{id_type}"[];
    v_tag     text;
    v_some    bigint;
    v_walking boolean;
BEGIN
    IF EXISTS (SELECT FROM jsonb_to_recordset(p_rules) r (tag text) WHERE r.tag NOT IN (SELECT t.tag FROM "{rule_tags}" t)) THEN
        INSERT INTO "{rule_tags}" (tag) SELECT r.tag FROM jsonb_to_recordset(p_rules) r (tag text) ON CONFLICT DO NOTHING;
    END IF;
    BEGIN
        IF v_behind THEN
            v_after := substr(current_setting('sessioncleanup.classified'), length(v_table) + 1);
        END IF;
    EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN -- ids had another type
        v_behind := false;
    END;
    LOOP
        v_walking := false;
        IF v_after IS NULL THEN -- with OR in one statement, it would read the index from its start
            v_ids := ARRAY(SELECT DISTINCT n.session_id FROM (SELECT o.session_id FROM "{retagged}" o
                                                               ORDER BY o.session_id LIMIT v_step) n ORDER BY n.session_id);
        ELSE
            v_ids := ARRAY(SELECT DISTINCT n.session_id FROM (SELECT o.session_id FROM "{retagged}" o WHERE o.session_id > v_after
                                                               ORDER BY o.session_id LIMIT v_step) n ORDER BY n.session_id);
        END IF;
        IF v_ids = '{}' AND v_behind THEN
            v_behind := false;
            v_after := NULL;
            CONTINUE;
        END IF;
        IF v_ids = '{}' THEN
            PERFORM set_config('sessioncleanup.classified', '', false);
            SELECT t.tag, t.after INTO v_tag, v_after FROM "{rule_tags}" t WHERE NOT t.walked ORDER BY t.tag LIMIT 1;
            IF NOT FOUND THEN
                RETURN false;
            END IF;
            IF v_after IS NULL THEN
                v_ids := ARRAY(SELECT t.session_id FROM "{tags}" t WHERE t.tag = v_tag ORDER BY t.session_id LIMIT v_step);
            ELSE
                v_ids := ARRAY(SELECT t.session_id FROM "{tags}" t WHERE t.tag = v_tag AND t.session_id > v_after ORDER BY t.session_id LIMIT v_step);
            END IF;
            UPDATE "{rule_tags}" t SET after = v_ids[cardinality(v_ids)], walked = cardinality(v_ids) < v_step WHERE t.tag = v_tag;
            v_walking := true;
        END IF;
        v_after := v_ids[cardinality(v_ids)];
        v_some := "{space}".sessioncleanup_class(v_ids, v_walking);
        IF v_some IS NULL THEN
            v_some := (SELECT sum("{space}".sessioncleanup_class(ARRAY[i.id], v_walking)) FROM unnest(v_ids) i (id));
        END IF;
        v_settled := v_settled + coalesce(v_some, 0);
        IF v_settled >= v_step AND clock_timestamp() >= v_until THEN
            IF NOT v_walking THEN
                PERFORM set_config('sessioncleanup.classified', v_table || v_after::text, false);
            END IF;
            RETURN true;
        END IF;
    END LOOP;
END
$sessioncleanup$;

-- name: sessioncleanup_ranges
-- The classes that sessions have, found by a step in an index for each, with the moments before which they may be due;
-- the first, NULL, is that of sessions without a rule. As long as not all sessions with the rules' tags were gone
-- through, no class is due before any other.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_ranges(p_now timestamptz, p_inactive timestamptz, p_delete timestamptz, p_warn timestamptz, p_rules jsonb)
RETURNS TABLE (class text, inactive timestamptz, delete timestamptz, warn timestamptz)
LANGUAGE plpgsql STABLE ROWS 10
SET search_path = "{safe}" SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $sessioncleanup$
#variable_conflict use_column
DECLARE
    v_base  record;
    v_cut   record;
    v_class text COLLATE "C" := '';
    v_loose boolean := EXISTS (SELECT FROM jsonb_to_recordset(p_rules) r (tag text)
                                WHERE r.tag NOT IN (SELECT t.tag FROM "{rule_tags}" t WHERE t.walked));
BEGIN
    SELECT p_now AS now, p_inactive AS inactive, p_delete AS delete, p_warn AS warn, NULL::timestamptz AS warned, NULL::timestamptz AS given_up INTO v_base;
    IF v_loose THEN
        SELECT p_now AS now, greatest(p_inactive, p_now - min(r.inactive) * interval '1 millisecond') AS inactive,
               greatest(p_delete, p_now - min(r.delete) * interval '1 millisecond') AS delete,
               greatest(p_warn, p_now - min(r.delete - r.warned) * interval '1 millisecond') AS warn, NULL::timestamptz AS warned, NULL::timestamptz AS given_up
          INTO v_base
          FROM jsonb_to_recordset(p_rules) r (inactive bigint, delete bigint, warned bigint);
    END IF;
    RETURN QUERY SELECT NULL::text, v_base.inactive, v_base.delete, v_base.warn;
    LOOP
        v_class := least((SELECT min(s."{class}") FROM "{sessions}" s WHERE "{is_active}" AND "{is_auto}" AND s."{class}" > v_class),
                         (SELECT min(s."{class}") FROM "{sessions}" s WHERE "{not_active}" AND "{is_auto}" AND s."{deactivated_at}" IS NOT NULL AND s."{class}" > v_class));
        EXIT WHEN v_class IS NULL;
        IF v_loose THEN
            RETURN QUERY SELECT v_class, v_base.inactive, v_base.delete, v_base.warn;
        ELSE
            RETURN QUERY SELECT v_class, v_cut.inactive, v_cut.delete, v_cut.warn FROM (SELECT) o "{by_class}";
        END IF;
    END LOOP;
END
$sessioncleanup$;

-- name: sessioncleanup_candidates
-- The sessions that have a class, or no known one, and may have a status: those in the stretches of an index where they
-- are due, and those whose tags changed since they were classed.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_candidates(
    p_status text, p_now timestamptz, p_inactive timestamptz, p_delete timestamptz, p_warn timestamptz, p_rules jsonb) RETURNS TABLE (id "{id_type}")
LANGUAGE plpgsql STABLE ROWS 100
SET search_path = "{safe}" SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $sessioncleanup$
#variable_conflict use_column
DECLARE
    v_range record;
BEGIN
    FOR v_range IN SELECT r.*, CASE p_status WHEN 'to_warn' THEN r.warn ELSE r.delete END AS since
                     FROM "{space}".sessioncleanup_ranges(p_now, p_inactive, p_delete, p_warn, p_rules) r WHERE r.class IS NOT NULL LOOP
        IF p_status <> 'to_deactivate' THEN
            RETURN QUERY SELECT s."{id}" FROM "{sessions}" s
                          WHERE "{not_active}" AND "{is_auto}" AND s."{deactivated_at}" IS NOT NULL AND s."{class}" = v_range.class
                            AND "{kept_since}" < v_range.since "{kept_since_in}" AND NOT "{retagged_since}";
        ELSIF v_range.inactive IS NOT NULL THEN
            RETURN QUERY SELECT s."{id}" FROM "{sessions}" s
                          WHERE "{is_active}" AND "{is_auto}" AND s."{class}" = v_range.class AND s."{last_activity}" < v_range.inactive "{last_activity_in}"
                            AND NOT "{retagged_since}";
            RETURN QUERY SELECT s."{id}" FROM "{sessions}" s
                          WHERE "{is_active}" AND "{is_auto}" AND s."{class}" = v_range.class AND s."{expires_at}" <= p_now "{expires_at_in}"
                            AND NOT "{retagged_since}";
        END IF;
    END LOOP;
    RETURN QUERY SELECT DISTINCT n.session_id FROM "{retagged}" n;
END
$sessioncleanup$;

-- name: sessioncleanup_rules
-- The rules of the policy, as ParseRules reads them: 'vip: delete=never; test: inactive=1h delete=1d'. Thresholds are
-- in milliseconds; -1 is never, and NULL what a rule leaves open.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_rules(p_rules text) RETURNS TABLE (tag text, inactive bigint, delete bigint, warn bigint, archive bigint)
LANGUAGE sql IMMUTABLE
SET search_path = "{safe}" SET intervalstyle = 'postgres'
AS $sessioncleanup$
    SELECT r.* FROM "{parsed_rules}" r ORDER BY r.tag COLLATE "C";
$sessioncleanup$;

-- name: parsed_rules
(SELECT r.tag, max(r.ms) FILTER (WHERE r.field = 'inactive') AS inactive, max(r.ms) FILTER (WHERE r.field = 'delete') AS delete,
        max(r.ms) FILTER (WHERE r.field = 'warn') AS warn, max(r.ms) FILTER (WHERE r.field = 'archive') AS archive
   FROM (SELECT p.found[1] AS tag, split_part(w.word, '=', 1) AS field,
                CASE split_part(w.word, '=', 2) WHEN 'never' THEN -1 ELSE ceil(extract(epoch FROM split_part(w.word, '=', 2)::interval) * 1000)::bigint END AS ms
           FROM regexp_split_to_table("{rules_text}", ';') l (line)
          CROSS JOIN LATERAL regexp_match(l.line, '^[[:space:]]*([^[:space:]]+)[[:space:]]*:([^:]*)$') p (found)
          CROSS JOIN LATERAL regexp_split_to_table(p.found[2], '[[:space:]]+') w (word)
          WHERE w.word <> '') r
  GROUP BY r.tag)
