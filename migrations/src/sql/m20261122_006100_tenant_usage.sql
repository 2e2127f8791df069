-- What tenants take of what all share, by the hour; each process adds what it has measured.
CREATE TABLE tenant_usage (
    tenant_id       UUID NOT NULL,
    hour            TIMESTAMPTZ NOT NULL,           -- its beginning
    requests        BIGINT NOT NULL,
    failed          BIGINT NOT NULL,                -- answered with a status from 500
    request_micros  BIGINT NOT NULL,
    received_bytes  BIGINT NOT NULL,
    sent_bytes      BIGINT NOT NULL,
    statements      BIGINT NOT NULL,                -- of requests, as the rows and the time of the database
    rows            BIGINT NOT NULL,
    database_micros BIGINT NOT NULL,
    job_micros      BIGINT NOT NULL,
    stay_micros     BIGINT NOT NULL,                -- of clients that stay
    CONSTRAINT tenant_usage_pkey PRIMARY KEY (tenant_id, hour),
    CONSTRAINT tenant_usage_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) ON DELETE CASCADE
);
-- Operators look at an hour or a day of all tenants, and housekeeping clears what is old.
CREATE INDEX tenant_usage_hours ON tenant_usage (hour);
CALL protect_tenant_table('tenant_usage');
GRANT SELECT ON tenant_usage TO fairlead_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON tenant_usage TO fairlead_system;
