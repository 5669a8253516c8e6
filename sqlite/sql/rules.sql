-- The rules of the lifecycle, as sessioncleanup.Cutoffs states them. A cutoff is NULL where its phase is off, and a
-- comparison with NULL is never true. What stands here also stands in the indexes: an index serves a condition that
-- repeats it word for word.

-- name: is_active
-- Total, like the three below: NULL and everything but 0 is active, everything but 1 is protected.
"{active}" IS NOT 0

-- name: is_inactive
"{active}" IS 0

-- name: may_be_cleaned
"{auto_cleanup}" IS 1

-- name: is_protected
"{auto_cleanup}" IS NOT 1

-- name: is_revivable
-- Activity makes it active again, where the policy wants that. Nothing automatic happens to a protected session.
"{is_inactive}" AND "{may_be_cleaned}"

-- name: due_idle
"{is_active}" AND "{may_be_cleaned}" AND "{last_activity_at}" < :inactive

-- name: due_expired
-- Expired, and not idle as well. :expired is now, or NULL where deactivation is off.
"{is_active}" AND "{may_be_cleaned}" AND "{expires_at}" IS NOT NULL AND "{expires_at_at}" <= :expired
 AND "{last_activity_at}" >= :inactive

-- name: due_gone
"{is_inactive}" AND "{may_be_cleaned}" AND "{last_sign_at}" < :delete

-- name: status_active
"{is_active}" AND "{may_be_cleaned}"
 AND ("{last_activity_at}" < :inactive) IS NOT 1 AND ("{expires_at_at}" <= :expired) IS NOT 1

-- name: status_to_deactivate
"{is_active}" AND "{may_be_cleaned}" AND ("{last_activity_at}" < :inactive OR "{expires_at_at}" <= :expired)

-- name: status_inactive
"{is_inactive}" AND "{may_be_cleaned}" AND ("{last_sign_at}" < :delete) IS NOT 1

-- name: status_to_delete
"{due_gone}"

-- name: status_protected
"{is_protected}"
