-- Long work, as those see it who have asked for it. The jobs behind one have its id as unique key.
CREATE TABLE operations (
    tenant_id           UUID NOT NULL,
    id                  UUID NOT NULL,
    kind                TEXT NOT NULL,
    state               TEXT NOT NULL DEFAULT 'queued'
                        CONSTRAINT operations_state
                        CHECK (state IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
    cancel_requested    BOOLEAN NOT NULL DEFAULT false,
    done                BIGINT NOT NULL DEFAULT 0,
    total               BIGINT,                     -- NULL: nobody knows yet
    successful          BIGINT NOT NULL DEFAULT 0,  -- what has come of what is done
    skipped             BIGINT NOT NULL DEFAULT 0,
    failed              BIGINT NOT NULL DEFAULT 0,
    faults              BIGINT NOT NULL DEFAULT 0,  -- found, those included that are not kept
    error               TEXT,                       -- why it failed, in words for those who have asked for it
    log                 JSONB NOT NULL DEFAULT '[]',
    created_by          TEXT NOT NULL,
    created_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    started_at          TIMESTAMPTZ,
    updated_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    finished_at         TIMESTAMPTZ,
    CONSTRAINT operations_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT operations_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id),
    CONSTRAINT operations_finish CHECK ((state IN ('completed', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
    CONSTRAINT operations_error CHECK ((state = 'failed') = (error IS NOT NULL))
);
-- The list, the newest first.
CREATE INDEX operations_newest ON operations (tenant_id, created_at DESC, id DESC);
-- The limit of a tenant, and housekeeping: those that have not ended, and those that ended long ago.
CREATE INDEX operations_open ON operations (tenant_id, id) WHERE finished_at IS NULL;
CREATE INDEX operations_finished ON operations (finished_at) WHERE finished_at IS NOT NULL;
CALL protect_tenant_table('operations');
GRANT SELECT, INSERT (tenant_id, id, kind, total, created_by),
    UPDATE (state, cancel_requested, done, successful, skipped, failed, faults, error, log, started_at, updated_at,
            finished_at)
    ON operations TO fairlead_app;
GRANT SELECT, UPDATE, DELETE ON operations TO fairlead_system;

-- What an operation still has to work off. Written before there is the operation, which is there when all of it is;
-- each part goes away with the transaction that has done it.
CREATE TABLE operation_inputs (
    tenant_id       UUID NOT NULL,
    id              UUID NOT NULL,
    operation_id    UUID NOT NULL,
    number          INT NOT NULL,                   -- their order, from 0
    size_bytes      INT NOT NULL,
    content         BYTEA NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT operation_inputs_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT operation_inputs_number UNIQUE (tenant_id, operation_id, number),
    CONSTRAINT operation_inputs_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id)
);
-- The limit of a tenant, told by the index alone.
CREATE INDEX operation_inputs_size ON operation_inputs (tenant_id, size_bytes);
CALL protect_tenant_table('operation_inputs');
-- UPDATE, because a row lock asks for it.
GRANT SELECT, INSERT (tenant_id, id, operation_id, number, size_bytes, content), UPDATE (number), DELETE
    ON operation_inputs TO fairlead_app;
GRANT SELECT, UPDATE (number), DELETE ON operation_inputs TO fairlead_system;

-- Why some of it was not done; the first ones of an operation.
CREATE TABLE operation_faults (
    tenant_id       UUID NOT NULL,
    id              UUID NOT NULL,
    operation_id    UUID NOT NULL,
    number          INT NOT NULL,                   -- their order, from 0
    line            BIGINT NOT NULL,                -- of the input, from 1
    field           TEXT NOT NULL,
    reason          TEXT NOT NULL,
    CONSTRAINT operation_faults_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT operation_faults_number UNIQUE (tenant_id, operation_id, number),
    CONSTRAINT operation_faults_operation FOREIGN KEY (tenant_id, operation_id) REFERENCES operations (tenant_id, id)
        ON DELETE CASCADE
);
CALL protect_tenant_table('operation_faults');
GRANT SELECT, INSERT ON operation_faults TO fairlead_app;
GRANT SELECT, DELETE ON operation_faults TO fairlead_system;
