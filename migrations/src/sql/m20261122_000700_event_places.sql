-- Where in the log an event stands that is recorded now. A transaction's id says when it began to write, not when: it
-- may have waited for a row that a younger one had changed, and then its event belongs behind the younger one's. So an
-- event stands at the later of its own transaction and the newest that has ended by now, which all are whose changes
-- it can have been made upon. Its own transaction is never behind its place, so a reader that stops before the oldest
-- one under way still skips nothing. See docs/adr/0008.
CREATE FUNCTION place_of_event() RETURNS xid8
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT GREATEST(pg_current_xact_id(), (pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1)::text::xid8)
$$;
REVOKE EXECUTE ON FUNCTION place_of_event FROM PUBLIC;
GRANT EXECUTE ON FUNCTION place_of_event TO fairlead_app, fairlead_system;

-- A webhook is sent what stands behind the place where it was made or enabled.
ALTER TABLE webhooks
    ALTER COLUMN since_xid SET DEFAULT place_of_event(),
    ADD COLUMN since_position BIGINT NOT NULL DEFAULT nextval('events_position');

-- Behind the webhooks, as whoever changes one locks them.
ALTER TABLE events ALTER COLUMN xid SET DEFAULT place_of_event();

-- Up to where all of a tenant's log was dropped, because it was older than events are kept.
CREATE TABLE events_dropped (
    tenant_id   UUID NOT NULL,
    xid         XID8 NOT NULL,
    position    BIGINT NOT NULL,
    CONSTRAINT events_dropped_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT events_dropped_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) ON DELETE CASCADE
);
CALL protect_tenant_table('events_dropped');
GRANT SELECT ON events_dropped TO fairlead_app;
GRANT SELECT, INSERT, UPDATE ON events_dropped TO fairlead_system;
