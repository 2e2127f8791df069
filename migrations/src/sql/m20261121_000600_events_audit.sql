-- What happened, append-only, written in the transaction of the change itself.
CREATE SEQUENCE events_position;
CREATE TABLE events (
    tenant_id       UUID NOT NULL,
    id              UUID NOT NULL,                  -- UUIDv7: its order is time, so partitions range over it
    -- Readers follow (xid, position) and stop at the snapshot's xmin, so a late commit is never skipped.
    xid             XID8 NOT NULL DEFAULT pg_current_xact_id(),
    position        BIGINT NOT NULL DEFAULT nextval('events_position'),
    type            TEXT NOT NULL,
    version         INT NOT NULL,
    aggregate_type  TEXT NOT NULL,
    aggregate_id    UUID NOT NULL,
    source          TEXT NOT NULL,                  -- what brought it about: api, import, demo, system
    actor           TEXT NOT NULL,                  -- user:<id>, api-key:<id>, system
    data            JSONB NOT NULL,
    trace_context   TEXT,                           -- W3C traceparent of the request
    occurred_at     TIMESTAMPTZ NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (tenant_id, id)
) PARTITION BY RANGE (id);
-- The relay reads all tenants in commit order.
CREATE INDEX events_cursor ON events (xid, position);
-- IDX-21, IDX-22, IDX-23.
CREATE INDEX events_aggregate ON events (tenant_id, aggregate_type, aggregate_id, occurred_at DESC);
CREATE INDEX events_type ON events (tenant_id, type, occurred_at DESC);
CREATE INDEX events_source ON events (tenant_id, source, occurred_at DESC);
CALL protect_tenant_table('events');
GRANT SELECT, INSERT ON events TO fairlead_app, fairlead_system;
GRANT USAGE ON SEQUENCE events_position TO fairlead_app, fairlead_system;

-- Who did what, with the state before and after.
CREATE TABLE audit_log (
    tenant_id   UUID NOT NULL,
    id          UUID NOT NULL,
    action      TEXT NOT NULL,                      -- the type of the event
    actor       TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id   UUID NOT NULL,
    before      JSONB,
    after       JSONB,
    request_id  TEXT,
    occurred_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT audit_log_pkey PRIMARY KEY (tenant_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX audit_log_entity ON audit_log (tenant_id, entity_type, entity_id, occurred_at DESC);
CALL protect_tenant_table('audit_log');
GRANT SELECT, INSERT ON audit_log TO fairlead_app, fairlead_system;

-- The smallest UUIDv7 of a moment: 48 bits of Unix milliseconds, version 7 (RFC 9562, section 5.7).
CREATE FUNCTION uuid_v7_floor(at timestamptz) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid;

-- Makes the monthly partitions of the tables that range over time, from this month to `months` ahead; returns how
-- many were new. Nobody is granted a partition: rows are reached through the parent and its policies alone.
CREATE FUNCTION make_partitions(months int) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
DECLARE
    made int := 0;
    parent text;
    starts timestamptz;
    name text;
BEGIN
    -- Two processes may start at once.
    PERFORM pg_advisory_xact_lock(hashtext('fairlead.make_partitions'));
    FOREACH parent IN ARRAY ARRAY['events', 'audit_log'] LOOP
        FOR ahead IN 0..LEAST(months, 24) LOOP
            starts := date_trunc('month', now(), 'UTC') + make_interval(months => ahead);
            name := format('%s_%s', parent, to_char(starts AT TIME ZONE 'UTC', 'YYYY_MM'));
            CONTINUE WHEN to_regclass('public.' || name) IS NOT NULL;
            BEGIN
                EXECUTE format('CREATE TABLE public.%I PARTITION OF public.%I FOR VALUES FROM (%L) TO (%L)', name,
                    parent, uuid_v7_floor(starts), uuid_v7_floor(starts + interval '1 month'));
            EXCEPTION WHEN check_violation THEN
                -- Rows of this month lie in the default partition already, because nobody called this function in
                -- time. They stay there, found like all others; the months after it get their partitions again.
                RAISE WARNING '% keeps the rows of % in its default partition', parent, to_char(starts, 'YYYY-MM');
                CONTINUE;
            END;
            EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
            EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', name);
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;
REVOKE EXECUTE ON FUNCTION make_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_partitions TO fairlead_system;

-- Rows outside every month land here rather than fail: clocks differ, and history may be imported.
CREATE TABLE events_default PARTITION OF events DEFAULT;
ALTER TABLE events_default ENABLE ROW LEVEL SECURITY;
ALTER TABLE events_default FORCE ROW LEVEL SECURITY;
CREATE TABLE audit_log_default PARTITION OF audit_log DEFAULT;
ALTER TABLE audit_log_default ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_log_default FORCE ROW LEVEL SECURITY;
SELECT make_partitions(3);

-- What a repeated request with the same key is answered with.
CREATE TABLE idempotency_keys (
    tenant_id       UUID NOT NULL,
    id              UUID NOT NULL,
    key             TEXT NOT NULL,
    actor           TEXT NOT NULL,                  -- keys of two callers do not meet
    request_hash    BYTEA NOT NULL,                 -- of method, path and body
    status          INT,                            -- NULL while the first request runs
    body            BYTEA,
    created_at      TIMESTAMPTZ NOT NULL,
    expires_at      TIMESTAMPTZ NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT idempotency_keys_key UNIQUE (tenant_id, actor, key)
);
-- Cleared by age, of all tenants.
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);
CALL protect_tenant_table('idempotency_keys');
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO fairlead_app;
GRANT SELECT, DELETE ON idempotency_keys TO fairlead_system;
