-- URLs of others that events of a tenant are sent to.
CREATE TABLE webhooks (
    tenant_id           UUID NOT NULL,
    id                  UUID NOT NULL,
    url                 TEXT NOT NULL CONSTRAINT webhooks_url CHECK (char_length(url) BETWEEN 1 AND 2000),
    description         TEXT CONSTRAINT webhooks_description CHECK (char_length(description) BETWEEN 1 AND 200),
    events              TEXT[] CONSTRAINT webhooks_events CHECK (cardinality(events) > 0),  -- types; NULL: all
    disabled_reason     TEXT CONSTRAINT webhooks_disabled_reason    -- NULL: it is enabled
                        CHECK (disabled_reason IN ('REQUESTED', 'GONE', 'FAILING')),
    disabled_at         TIMESTAMPTZ,
    old_secret_until    TIMESTAMPTZ,                -- until when the old secret counts, too
    version             BIGINT NOT NULL DEFAULT 1,
    created_at          TIMESTAMPTZ NOT NULL,
    updated_at          TIMESTAMPTZ NOT NULL,
    -- Sealed by a key that is not in the database.
    secret              BYTEA NOT NULL,
    old_secret          BYTEA,
    -- Events of later transactions are sent to it: the one that made it, or has enabled it again.
    since_xid           XID8 NOT NULL DEFAULT pg_current_xact_id(),
    failing_since       TIMESTAMPTZ,                -- nothing was taken since; NULL: the last attempt was taken
    CONSTRAINT webhooks_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT webhooks_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id),
    CONSTRAINT webhooks_disabled CHECK ((disabled_reason IS NULL) = (disabled_at IS NULL))
);
CREATE INDEX webhooks_created ON webhooks (tenant_id, created_at DESC, id DESC);
CALL protect_tenant_table('webhooks');
GRANT SELECT, INSERT, UPDATE, DELETE ON webhooks TO fairlead_app;
-- Which tenants have any.
GRANT SELECT (tenant_id) ON webhooks TO fairlead_system;

-- Events on their way to webhooks, and what became of them. Those of a webhook that was deleted stay until they are
-- cleared away by age: there may be hundreds of thousands, and whoever deletes does not wait for that. Hence no foreign
-- key.
CREATE TABLE webhook_deliveries (
    tenant_id       UUID NOT NULL,
    id              UUID NOT NULL,
    webhook_id      UUID NOT NULL,
    event_id        UUID NOT NULL,
    event_type      TEXT NOT NULL,
    replay_id       UUID,                           -- NULL: it was sent when it happened
    state           TEXT NOT NULL CONSTRAINT webhook_deliveries_state
                    CHECK (state IN ('PENDING', 'SUCCEEDED', 'FAILED', 'CANCELED')),
    attempts        INT NOT NULL DEFAULT 0,
    last_at         TIMESTAMPTZ,                    -- of the last attempt
    last_status     INT,                            -- what the receiver answered; NULL: nothing
    last_took_ms    BIGINT,
    last_fault      TEXT,                           -- NULL: it was taken
    tried_since     TIMESTAMPTZ NOT NULL,           -- it is given up a while after
    failing_since   TIMESTAMPTZ,
    next_at         TIMESTAMPTZ,                    -- of the next attempt
    ended_at        TIMESTAMPTZ,
    created_at      TIMESTAMPTZ NOT NULL,
    CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT webhook_deliveries_next CHECK ((state = 'PENDING') = (next_at IS NOT NULL)),
    CONSTRAINT webhook_deliveries_end CHECK ((state = 'PENDING') = (ended_at IS NULL))
)
WITH (autovacuum_vacuum_scale_factor = 0.05);
-- A webhook's list, and the part of it in one state.
CREATE INDEX webhook_deliveries_created ON webhook_deliveries (tenant_id, webhook_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_by_state
    ON webhook_deliveries (tenant_id, webhook_id, state, created_at DESC, id DESC);
-- Cleared by age, of all tenants.
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (ended_at) WHERE ended_at IS NOT NULL;
CALL protect_tenant_table('webhook_deliveries');
GRANT SELECT, INSERT, UPDATE ON webhook_deliveries TO fairlead_app;
GRANT SELECT, DELETE ON webhook_deliveries TO fairlead_system;

-- Stretches of the log that are sent to a webhook once more.
CREATE TABLE webhook_replays (
    tenant_id       UUID NOT NULL,
    id              UUID NOT NULL,
    webhook_id      UUID NOT NULL,
    place_xid       XID8 NOT NULL,                  -- all up to here is under way
    place_position  BIGINT NOT NULL,
    until_xid       XID8 NOT NULL,                  -- the last that is sent
    until_position  BIGINT NOT NULL,
    state           TEXT NOT NULL CONSTRAINT webhook_replays_state
                    CHECK (state IN ('RUNNING', 'COMPLETED', 'STOPPED')),
    deliveries      BIGINT NOT NULL,                -- that it has added
    created_at      TIMESTAMPTZ NOT NULL,
    ended_at        TIMESTAMPTZ,
    CONSTRAINT webhook_replays_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT webhook_replays_end CHECK ((state = 'RUNNING') = (ended_at IS NULL))
);
-- One at a time for each webhook.
CREATE UNIQUE INDEX webhook_replays_running ON webhook_replays (tenant_id, webhook_id) WHERE state = 'RUNNING';
-- Cleared by age, of all tenants.
CREATE INDEX webhook_replays_ended ON webhook_replays (ended_at) WHERE ended_at IS NOT NULL;
CALL protect_tenant_table('webhook_replays');
GRANT SELECT, INSERT, UPDATE ON webhook_replays TO fairlead_app;
GRANT SELECT, DELETE ON webhook_replays TO fairlead_system;

-- A handler puts its job off in the transaction of what it notes, and a request has one begun sooner.
GRANT UPDATE (run_at, fault, attempts) ON jobs TO fairlead_app;
