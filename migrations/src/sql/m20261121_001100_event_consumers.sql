-- How far each reader of the log has come: each consumer, and the relay to a broker. All up to there is done.
CREATE TABLE event_readers (
    reader      TEXT NOT NULL,
    xid         XID8 NOT NULL,
    position    BIGINT NOT NULL,
    moved_at    TIMESTAMPTZ NOT NULL,
    CONSTRAINT event_readers_pkey PRIMARY KEY (reader)
)
-- Rewritten all the time, and never with other keys.
WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
GRANT SELECT, INSERT, UPDATE, DELETE ON event_readers TO fairlead_system;

-- Whoever handles an event must see whether it is done. In the snapshot of the statement that asks.
CREATE FUNCTION place_of_reader(name text) RETURNS TABLE (reader_xid xid8, reader_position bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$ SELECT xid, position FROM event_readers WHERE reader = name $$;
REVOKE EXECUTE ON FUNCTION place_of_reader FROM PUBLIC;
GRANT EXECUTE ON FUNCTION place_of_reader TO fairlead_app;

-- Which events each consumer has handled, noted in the transaction that did. Rows before a consumer's place in the log
-- are cleared away after a while: the place alone tells that they are done.
CREATE TABLE inbox (
    tenant_id   UUID NOT NULL,
    id          UUID NOT NULL,                      -- of the event
    consumer    TEXT NOT NULL,
    xid         XID8 NOT NULL,                      -- where in the log the event is
    position    BIGINT NOT NULL,
    fault       TEXT,                               -- why it was put aside; NULL: it was done
    handled_at  TIMESTAMPTZ NOT NULL,
    CONSTRAINT inbox_pkey PRIMARY KEY (tenant_id, id, consumer)
);
-- Cleared by age, of all tenants.
CREATE INDEX inbox_handled ON inbox (handled_at);
CALL protect_tenant_table('inbox');
GRANT SELECT, INSERT ON inbox TO fairlead_app;
GRANT SELECT, DELETE ON inbox TO fairlead_system;

-- What was done in each tenant, by day: counted from its events.
CREATE TABLE usage_by_day (
    tenant_id   UUID NOT NULL,
    day         DATE NOT NULL,                      -- in UTC
    type        TEXT NOT NULL,                      -- of the events
    source      TEXT NOT NULL,
    events      BIGINT NOT NULL CONSTRAINT usage_by_day_events CHECK (events > 0),
    CONSTRAINT usage_by_day_pkey PRIMARY KEY (tenant_id, day, type, source),
    CONSTRAINT usage_by_day_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) ON DELETE CASCADE
);
CALL protect_tenant_table('usage_by_day');
GRANT SELECT, INSERT, UPDATE ON usage_by_day TO fairlead_app;
GRANT SELECT ON usage_by_day TO fairlead_system;

-- Drops the partition of a month that is over. The caller has made sure that nobody needs what is in it. Whoever
-- writes an event meanwhile waits, so this does not wait for long.
CREATE FUNCTION drop_event_partition(month date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    SET lock_timeout = '500ms'
    AS $$
BEGIN
    IF month <> date_trunc('month', month) OR month >= date_trunc('month', now() AT TIME ZONE 'UTC') THEN
        RAISE EXCEPTION '% is not the first day of a month that is over', month;
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS public.%I', 'events_' || to_char(month, 'YYYY_MM'));
END
$$;
REVOKE EXECUTE ON FUNCTION drop_event_partition FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_event_partition TO fairlead_system;
