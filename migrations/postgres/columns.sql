-- Migrate adds these to the application's table of sessions: columns, their defaults, indexes. Each change only touches
-- the catalog, or is built concurrently, so that writers never wait for long.
--
-- The indexes of idle, expired and gone sessions have what runs look for, in its order: those without a class and, class by class, the others. Those of
-- idle, classed, ended and protected ones hold each session once, in the order of a list. A comment within the definition of an index would keep the
-- application's own one of that definition from being found.

-- name: own_table
CREATE TABLE "{sessions}" (
    "{id}"            text        PRIMARY KEY DEFAULT gen_random_uuid()::text,
    "{own_owner}"     text,
    "{own_name}"      text,
    "{own_code}"      text,
    "{active}"        boolean     NOT NULL DEFAULT true,
    "{own_created_at}" timestamptz NOT NULL DEFAULT now(),
    "{own_updated_at}" timestamptz NOT NULL DEFAULT now(),
    "{last_activity}" timestamptz NOT NULL DEFAULT now(),
    "{expires_at}"    timestamptz,
    "{auto_cleanup}"  boolean     NOT NULL DEFAULT "{auto_default}",
    "{deactivated_at}" timestamptz,
    "{class}"         text COLLATE "C"
);

-- name: add_active
ALTER TABLE "{sessions}" ADD COLUMN "{active}" boolean NOT NULL DEFAULT true;

-- name: add_auto_cleanup
ALTER TABLE "{sessions}" ADD COLUMN "{auto_cleanup}" boolean NOT NULL DEFAULT "{auto_default}";

-- name: add_expires_at
ALTER TABLE "{sessions}" ADD COLUMN "{expires_at}" timestamptz;

-- name: add_deactivated_at
ALTER TABLE "{sessions}" ADD COLUMN "{deactivated_at}" timestamptz;

-- name: add_class
ALTER TABLE "{sessions}" ADD COLUMN "{class}" text COLLATE pg_catalog."C";

-- name: add_last_activity
-- The default comes after the column: with it, every old session would look as if it had just been used.
ALTER TABLE "{sessions}" ADD COLUMN "{last_activity}" timestamptz;
ALTER TABLE "{sessions}" ALTER COLUMN "{last_activity}" SET DEFAULT now();

-- name: default_last_activity
ALTER TABLE "{sessions}" ALTER COLUMN "{last_activity}" SET DEFAULT (now() "{last_activity_in}");

-- name: default_auto_cleanup
ALTER TABLE "{sessions}" ALTER COLUMN "{auto_cleanup}" SET DEFAULT "{auto_default}";

-- name: index_idle
("{last_activity}", "{id}") WHERE "{bare_is_active}" AND "{bare_is_auto}" AND "{class}" IS NULL

-- name: index_expired
("{expires_at}", "{id}") WHERE "{bare_is_active}" AND "{bare_is_auto}" AND "{expires_at}" IS NOT NULL AND "{class}" IS NULL

-- name: index_gone
(("{bare_kept_since}"), "{id}") WHERE "{bare_not_active}" AND "{bare_is_auto}" AND "{deactivated_at}" IS NOT NULL AND "{class}" IS NULL

-- name: index_class_idle
("{class}", "{last_activity}", "{id}") WHERE "{bare_is_active}" AND "{bare_is_auto}" AND "{class}" IS NOT NULL

-- name: index_class_expired
("{class}", "{expires_at}", "{id}") WHERE "{bare_is_active}" AND "{bare_is_auto}" AND "{expires_at}" IS NOT NULL AND "{class}" IS NOT NULL

-- name: index_class_gone
("{class}", ("{bare_kept_since}"), "{id}") WHERE "{bare_not_active}" AND "{bare_is_auto}" AND "{deactivated_at}" IS NOT NULL AND "{class}" IS NOT NULL

-- name: index_undated
("{id}") WHERE "{bare_not_active}" AND "{bare_is_auto}" AND "{deactivated_at}" IS NULL

-- name: index_ended
("{last_activity}", "{id}") WHERE "{bare_not_active}" AND "{bare_is_auto}"

-- name: index_classed
("{last_activity}", "{id}") WHERE "{bare_is_active}" AND "{bare_is_auto}" AND "{class}" IS NOT NULL

-- name: index_protected
("{last_activity}", "{id}") INCLUDE ("{active}") WHERE "{bare_is_protected}"
