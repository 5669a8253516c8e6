-- The rules of the lifecycle in SQL, as parts of queries, functions and the view: conditions on a session s, the cutoffs
-- v_cut (now, inactive, delete; NULL for a phase that is off) and what follows from them, d. The columns stay bare, so
-- that their indexes serve. A touch that is only noted counts.

-- name: idle
"{is_active}" AND "{is_auto}" AND s."{last_activity}" < v_cut.inactive "{last_activity_in}"
AND NOT EXISTS (SELECT FROM "{touches}" t WHERE t.session_id = s."{id}" AND t.at >= v_cut.inactive)

-- name: expired
-- Without those that are idle: both together are due for deactivation.
"{is_active}" AND "{is_auto}" AND v_cut.inactive IS NOT NULL AND s."{expires_at}" <= v_cut.now "{expires_at_in}"
AND ((s."{last_activity}" < v_cut.inactive "{last_activity_in}") IS NOT TRUE
     OR EXISTS (SELECT FROM "{touches}" t WHERE t.session_id = s."{id}" AND t.at >= v_cut.inactive))

-- name: gone
"{not_active}" AND "{is_auto}" AND s."{last_activity}" IS NOT NULL AND "{kept_since}" < v_cut.delete "{kept_since_in}"
AND NOT EXISTS (SELECT FROM "{touches}" t WHERE t.session_id = s."{id}" AND t.at >= v_cut.delete)

-- name: status
CASE WHEN NOT "{is_auto}" THEN 'protected'
     WHEN d.idle OR d.expired THEN 'to_deactivate'
     WHEN d.gone THEN 'to_delete'
     WHEN "{is_active}" THEN 'active'
     ELSE 'inactive' END

-- name: matches
-- With the collation "C", lower changes ASCII letters only.
(v_filter.id IS NULL OR s."{id}" = v_filter.id::"{id_type}")
AND (v_filter.owner IS NULL OR "{owner_col}" = v_filter.owner::"{owner_type}")
AND (v_filter.text IS NULL
     OR position(lower(v_filter.text COLLATE "C") IN lower("{name_text}" COLLATE "C")) > 0
     OR position(lower(v_filter.text COLLATE "C") IN lower("{code_text}" COLLATE "C")) > 0
     OR position(lower(v_filter.text COLLATE "C") IN lower(s."{id}"::text COLLATE "C")) > 0)

-- name: session_columns
s."{id}"::text, coalesce("{owner_text}", ''), coalesce("{owner_name}", ''), coalesce("{name_text}", ''), coalesce("{code_text}", ''),
       "{is_active}", "{is_auto}",
       CASE WHEN isfinite("{created_at_out}") THEN "{created_at_out}" END, CASE WHEN isfinite("{updated_at_out}") THEN "{updated_at_out}" END,
       coalesce("{last_used}", now()), CASE WHEN isfinite("{expires_at_out}") THEN "{expires_at_out}" END, "{activity_count}"

-- name: cut
-- Thresholds.At: $1 pins the moment, $2 and $3 are the thresholds in milliseconds, NULL for a phase that is off.
CROSS JOIN (SELECT n.now, n.now - $2::bigint * interval '1 millisecond' AS inactive, n.now - $3::bigint * interval '1 millisecond' AS delete
              FROM (SELECT date_trunc('milliseconds', coalesce($1::timestamptz, now())) AS now) n) v_cut

-- name: filter
CROSS JOIN (SELECT $4::text AS id, $5::text AS owner, $6::text AS text) v_filter
