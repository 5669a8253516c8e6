-- In a schema of its own, under other names, uuid ids, owners of a text type, one column without time zone.
CREATE SCHEMA "Live";
CREATE TABLE "Live".people (login text PRIMARY KEY, display_name text);
CREATE TABLE "Live"."Rooms" (
    "roomId" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    owner text REFERENCES "Live".people (login),
    title text, slug text,
    is_active boolean NOT NULL DEFAULT true,
    status text,
    "createdAt" timestamptz NOT NULL DEFAULT now(), "updatedAt" timestamptz NOT NULL DEFAULT now(),
    expires timestamp
);
CREATE TABLE "Live".messages (
    id bigserial PRIMARY KEY, room uuid NOT NULL REFERENCES "Live"."Rooms" ON DELETE CASCADE, sent_at timestamptz DEFAULT now()
);
CREATE INDEX ON "Live".messages (room);
