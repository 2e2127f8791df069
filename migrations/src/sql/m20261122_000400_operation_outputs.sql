-- The file that an operation writes. Each part says where the next one begins, so whoever goes on needs to know no more.
CREATE TABLE operation_outputs (
    tenant_id       UUID NOT NULL,
    id              UUID NOT NULL,
    operation_id    UUID NOT NULL,
    number          INT NOT NULL,                   -- their order, from 0
    size_bytes      INT NOT NULL,
    next_time       TIMESTAMPTZ,                    -- what the next part begins behind; NULL: it is the last one
    next_id         UUID,
    content         BYTEA NOT NULL,
    CONSTRAINT operation_outputs_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT operation_outputs_number UNIQUE (tenant_id, operation_id, number),
    CONSTRAINT operation_outputs_operation FOREIGN KEY (tenant_id, operation_id) REFERENCES operations (tenant_id, id)
        ON DELETE CASCADE,
    CONSTRAINT operation_outputs_next CHECK ((next_time IS NULL) = (next_id IS NULL))
);
-- The limit of a tenant, told by the index alone.
CREATE INDEX operation_outputs_size ON operation_outputs (tenant_id, size_bytes);
-- The files there are, for housekeeping.
CREATE INDEX operation_outputs_files ON operation_outputs (tenant_id, operation_id) WHERE number = 0;
CALL protect_tenant_table('operation_outputs');
-- UPDATE, because a row lock asks for it.
GRANT SELECT, INSERT, UPDATE (number), DELETE ON operation_outputs TO fairlead_app;
GRANT SELECT, UPDATE (number), DELETE ON operation_outputs TO fairlead_system;
