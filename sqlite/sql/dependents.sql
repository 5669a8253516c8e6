-- Rows that go along with sessions.

-- name: matching
SELECT "{keys}" FROM "{sessions}" WHERE "{condition}" AND "{unnoted}"
    UNION ALL
    SELECT "{keys}" FROM sessioncleanup_noted CROSS JOIN "{sessions}" ON "{id}" = "{noted_id}" WHERE "{noted_condition}"

-- name: count_dependents
WITH RECURSIVE sessioncleanup_noted AS ("{noted}"),
  sessioncleanup_base AS ("{base}"),
  sessioncleanup_gone(t, "{columns}") AS (
    SELECT 0, sessioncleanup_base.*"{padding}" FROM sessioncleanup_base"{steps}")
SELECT count(*) FROM (SELECT 1 FROM ("{last}") LIMIT :count_up_to + 0)

-- name: dependents_step

    UNION
    SELECT "{child_number}", "{child_key}"
      FROM sessioncleanup_gone CROSS JOIN "{parent}" AS p ON sessioncleanup_gone.t = "{parent_number}" AND "{same_parent}"
     CROSS JOIN "{child}" AS c ON "{refers}"

-- name: dependents_last
SELECT "{child_key}" FROM sessioncleanup_gone CROSS JOIN "{parent}" AS p ON sessioncleanup_gone.t = "{parent_number}" AND "{same_parent}"
     CROSS JOIN "{child}" AS c ON "{refers}"
