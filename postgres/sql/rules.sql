-- The rules of the lifecycle in SQL, as parts of queries, functions and the view: conditions on a session s, its cutoffs
-- v_cut (now, inactive, delete, warn, warned, given_up; NULL for a phase that is off) and what follows from them, d. The cutoffs v_base are those of
-- sessions without a rule. The columns stay bare, so
-- that their indexes serve; what they are read as decides. A touch that is only noted counts. The view has these rules without
-- a search path of its own, so operators on ids, whose types may be the application's, have their schema.

-- name: noted
-- Whether any touch is noted. A statement asks that once. Most often there is none, and then it does not look for one of each session.
EXISTS (SELECT FROM "{touches}")

-- name: idle
"{tracked}" AND "{is_active}" AND "{is_auto}" AND s."{last_activity}" < v_cut.inactive "{last_activity_in}" AND "{last_activity_out}" < v_cut.inactive
AND NOT ("{noted}" AND EXISTS (SELECT FROM "{touches}" t WHERE t.session_id OPERATOR(pg_catalog.=) s."{id}" AND t.at >= v_cut.inactive))

-- name: expired
-- Without those that are idle: both together are due for deactivation.
"{is_active}" AND "{is_auto}" AND v_cut.inactive IS NOT NULL AND s."{expires_at}" <= v_cut.now "{expires_at_in}" AND "{expired_exactly}"
AND (NOT "{tracked}" OR ("{last_activity_out}" < v_cut.inactive) IS NOT TRUE
     OR "{noted}" AND EXISTS (SELECT FROM "{touches}" t WHERE t.session_id OPERATOR(pg_catalog.=) s."{id}" AND t.at >= v_cut.inactive))

-- name: past
-- Unused, expired and inactive since before a cutoff.
"{not_active}" AND "{is_auto}" AND s."{deactivated_at}" IS NOT NULL AND s."{last_activity}" IS NOT NULL
AND "{kept_since}" < "{cutoff}" "{kept_since_in}" AND "{kept_since_out}" < "{cutoff}"
AND ("{tracked}" OR "{expires_at_out}" IS NOT NULL)
AND NOT ("{noted}" AND EXISTS (SELECT FROM "{touches}" t WHERE t.session_id OPERATOR(pg_catalog.=) s."{id}" AND t.at >= "{cutoff}"))

-- name: period
-- Session.KeptSince, which identifies the idle period.
greatest("{last_used}", "{expires_at_out}", "{deactivated_at_out}")

-- name: warned_enough
-- No warning is needed, or that for this idle period was delivered, or given up where that counts, long enough ago.
(v_cut.warned IS NULL
 OR EXISTS (SELECT FROM "{notices}" n
             WHERE n.session_id OPERATOR(pg_catalog.=) s."{id}"::pg_catalog.text AND n.kept_since = "{period}"
               AND (n.delivered_at <= v_cut.warned OR n.failed_at <= v_cut.given_up)))

-- name: gone
"{past_delete}" AND "{warned_enough}"

-- name: waiting
"{past_delete}" AND NOT "{warned_enough}"

-- name: to_warn
"{past_warn}"
AND NOT EXISTS (SELECT FROM "{notices}" n WHERE n.session_id OPERATOR(pg_catalog.=) s."{id}"::pg_catalog.text AND n.kept_since = "{period}")

-- name: warning_of
(SELECT ARRAY[n.kept_since, n.queued_at, n.delivered_at, n.failed_at] FROM "{notices}" n WHERE n.session_id OPERATOR(pg_catalog.=) s."{id}"::pg_catalog.text)

-- name: tags_of
ARRAY(SELECT t.tag FROM "{tags}" t WHERE t.session_id OPERATOR(pg_catalog.=) s."{id}" ORDER BY t.tag)

-- name: selected
-- Whether s has the status, or is in the selection, that $7 is; NULL selects all.
CASE $7::text WHEN 'to_deactivate' THEN d.idle OR d.expired WHEN 'to_delete' THEN d.gone WHEN 'to_warn' THEN "{to_warn}" WHEN 'waiting' THEN "{waiting}"
              ELSE $7::text IS NULL OR "{status}" = $7::text END

-- name: undated
-- Inactive since an unknown time. The next run dates them.
"{not_active}" AND "{is_auto}" AND s."{deactivated_at}" IS NULL

-- name: ahead
-- Used in the future, which a run corrects.
"{is_auto}" AND s."{last_activity}" > (v_cut.now + interval '10 minutes') "{last_activity_in}" AND s."{last_activity}" < "{last_activity_forever}"

-- name: ahead_active
-- Each has an index.
"{is_active}" AND s."{class}" IS NULL AND "{ahead}"

-- name: ahead_classed
"{is_active}" AND s."{class}" IS NOT NULL AND "{ahead}"

-- name: ahead_inactive
"{not_active}" AND "{ahead}"

-- name: status
CASE WHEN NOT "{is_auto}" THEN 'protected'
     WHEN d.idle OR d.expired THEN 'to_deactivate'
     WHEN d.gone THEN 'to_delete'
     WHEN "{is_active}" THEN 'active'
     ELSE 'inactive' END

-- name: matches
"{visible}" AND (v_filter.id IS NULL OR s."{id}" = v_filter.id::"{id_type}")
AND (v_filter.owner IS NULL OR "{owner_col}" = v_filter.owner::"{owner_type}")
AND (v_filter.text IS NULL OR "{has_text}")
AND (v_filter.tags = '{}' OR "{has_tags}")

-- name: has_tags
-- As Filter.Tags, whose words are an array. NULL has none.
NOT EXISTS (SELECT FROM unnest(v_filter.tags) w (word)
             WHERE EXISTS (SELECT FROM "{tags}" t WHERE t.session_id OPERATOR(pg_catalog.=) s."{id}" AND t.tag = ANY (string_to_array(ltrim(w.word, '-'), '|')))
                   = starts_with(w.word, '-'))

-- name: has_text
-- With the collation "C", lower changes ASCII letters only.
(position(lower(v_filter.text COLLATE "C") IN lower("{name_text}" COLLATE "C")) > 0
     OR position(lower(v_filter.text COLLATE "C") IN lower("{code_text}" COLLATE "C")) > 0
     OR position(lower(v_filter.text COLLATE "C") IN lower(s."{id}"::text COLLATE "C")) > 0)

-- name: event_name
-- The session's name as the audit log keeps it. Most are so short that no function is called for them.
CASE WHEN octet_length("{whole_name}") > 200 THEN "{space}".sessioncleanup_shorten("{name_text}") ELSE coalesce("{whole_name}", '') END

-- name: session_columns
s."{id}"::text, coalesce("{owner_text}", ''), coalesce("{owner_name}", ''), coalesce("{name_text}", ''), coalesce("{code_text}", ''),
       "{says_active}", "{is_auto}", "{created_at_out}", "{updated_at_out}",
       coalesce("{last_used}", now()), "{expires_at_out}", "{deactivated_at_out}", "{warning_of}", "{tags_of}", "{activity_count}"

-- name: cut_base
-- Thresholds.At: $1 pins the moment, and $2 has, in milliseconds, how long before it the others lie, NULL for a phase that is off: inactive, delete,
-- warn, warned and given_up; then inactive, delete and warn before which sessions without a class may be due. $3 are the rules; see by_tags.
CROSS JOIN (SELECT n.now, n.now - ($2::bigint[])[1] * interval '1 millisecond' AS inactive, n.now - ($2::bigint[])[2] * interval '1 millisecond' AS delete,
                   n.now - ($2::bigint[])[3] * interval '1 millisecond' AS warn, n.now - ($2::bigint[])[4] * interval '1 millisecond' AS warned,
                   n.now - ($2::bigint[])[5] * interval '1 millisecond' AS given_up, n.now - ($2::bigint[])[6] * interval '1 millisecond' AS last_inactive,
                   n.now - ($2::bigint[])[7] * interval '1 millisecond' AS last_delete, n.now - ($2::bigint[])[8] * interval '1 millisecond' AS last_warn
              FROM (SELECT date_trunc('milliseconds', coalesce($1::timestamptz, now())) AS now WHERE $3::text IS NOT NULL) n) v_base

-- name: cut
-- Without rules.
"{cut_base}"
CROSS JOIN LATERAL (SELECT v_base.now, v_base.inactive, v_base.delete, v_base.warn, v_base.warned, v_base.given_up) v_cut

-- name: by_tags
-- As Cutoffs.For for a session's tags: the cutoffs by rules, which have, in milliseconds, how long before v_base.now they lie, NULL for never.
CROSS JOIN LATERAL (
    SELECT v_base.now,
           CASE WHEN r.n > 0 THEN v_base.now - r.inactive * interval '1 millisecond' ELSE v_base.inactive END AS inactive,
           CASE WHEN r.n > 0 THEN v_base.now - r.delete * interval '1 millisecond' ELSE v_base.delete END AS delete,
           CASE WHEN r.n > 0 THEN v_base.now - (r.delete - r.warned) * interval '1 millisecond' ELSE v_base.warn END AS warn,
           CASE WHEN r.n > 0 THEN CASE WHEN r.delete IS NOT NULL THEN v_base.now - r.warned * interval '1 millisecond' END ELSE v_base.warned END AS warned,
           CASE WHEN r.n > 0 THEN CASE WHEN r.delete IS NOT NULL AND r.proceed THEN v_base.now - r.warned * interval '1 millisecond' END ELSE v_base.given_up END AS given_up
      FROM "{longest}" r) v_cut

-- name: longest
-- The longest of the rules for some tags, and how many these are. Without any rules the tags are not looked up.
(SELECT count(*) AS n, CASE WHEN count(r.inactive) = count(*) THEN max(r.inactive) END AS inactive, CASE WHEN count(r.delete) = count(*) THEN max(r.delete) END AS delete,
        max(r.warned) AS warned, bool_or(r.proceed) AS proceed
   FROM jsonb_to_recordset("{rules}") r (tag text, inactive bigint, delete bigint, warned bigint, proceed boolean)
  WHERE r.tag OPERATOR(pg_catalog.=) ANY ("{its_tags}"))

-- name: by_tags_of_all
-- The same for a statement that reads all sessions: it reads the tags once.
LEFT JOIN (SELECT t.session_id, count(*) AS n, CASE WHEN count(r.inactive) = count(*) THEN max(r.inactive) END AS inactive,
                  CASE WHEN count(r.delete) = count(*) THEN max(r.delete) END AS delete, max(r.warned) AS warned, bool_or(r.proceed) AS proceed
             FROM jsonb_to_recordset("{rules}") r (tag text, inactive bigint, delete bigint, warned bigint, proceed boolean)
             JOIN "{tags}" t ON t.tag = r.tag
            GROUP BY t.session_id) v_rule ON v_rule.session_id OPERATOR(pg_catalog.=) s."{id}"

-- name: among_due
-- What may be due: without a class by the index of its phase, with one as a function finds it.
(SELECT s.* FROM "{sessions}" s "{cut_base}"
  WHERE s."{class}" IS NULL AND "{maybe_due}" AND NOT "{retagged_since}"
 UNION ALL
 SELECT s.* FROM "{sessions}" s
  WHERE s."{id}" IN (SELECT c.id FROM (SELECT) o "{cut_base}"
                      CROSS JOIN LATERAL "{space}".sessioncleanup_candidates($7::text, v_base.now, v_base.inactive, v_base.delete, v_base.warn, $3::text::jsonb) c))

-- name: retagged_since
-- Whether the tags of s changed since it was classed. Most often there is none of those, and then it does not look for each session.
(EXISTS (SELECT FROM "{retagged}") AND EXISTS (SELECT FROM "{retagged}" n WHERE n.session_id OPERATOR(pg_catalog.=) s."{id}"))

-- name: maybe_due_to_deactivate
("{is_active}" AND "{is_auto}" AND s."{last_activity}" < v_base.last_inactive "{last_activity_in}"
 OR "{is_active}" AND "{is_auto}" AND s."{expires_at}" <= v_base.now "{expires_at_in}")

-- name: maybe_due_to_delete
"{not_active}" AND "{is_auto}" AND s."{deactivated_at}" IS NOT NULL AND "{kept_since}" < v_base.last_delete "{kept_since_in}"

-- name: maybe_due_to_warn
"{not_active}" AND "{is_auto}" AND s."{deactivated_at}" IS NOT NULL AND "{kept_since}" < v_base.last_warn "{kept_since_in}"

-- name: cut_once
-- The same, computed once: for what reads all sessions, and no range of an index.
"{cut_base}"
CROSS JOIN (SELECT v_cut.* FROM (SELECT) one "{cut}" OFFSET 0) v_cut

-- name: filter
CROSS JOIN (SELECT $4::text AS id, $5::text AS owner, ($6::text[])[1] AS text, ($6::text[])[2:] AS tags) v_filter

-- name: by_run
-- Whether a run deactivated the inactive session s: the log has that, at exactly this time. It is read in functions
-- without a search path of their own, so every name has its schema.
EXISTS (SELECT FROM "{events}" e
         WHERE e.at OPERATOR(pg_catalog.=) "{deactivated_at_out}" AND e.action OPERATOR(pg_catalog.=) 'deactivated'
           AND e.run_id OPERATOR(pg_catalog.<>) '' AND s."{id}"::pg_catalog.text OPERATOR(pg_catalog.=) ANY (e.session_ids))

-- name: rules_walked
-- Whether all sessions with the tags of rules were gone through.
SELECT NOT EXISTS (SELECT FROM jsonb_to_recordset($1::text::jsonb) r (tag text) WHERE r.tag NOT IN (SELECT t.tag FROM "{rule_tags}" t WHERE t.walked));
