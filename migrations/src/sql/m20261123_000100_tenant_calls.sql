-- The calls of a tenant within a calendar month, that its plan may limit: a sum of what is written of each interval, so
-- that who has used up its calls is found without adding up hours.
CREATE TABLE tenant_calls (
    tenant_id   UUID NOT NULL,
    month       DATE NOT NULL,          -- its first day, by UTC
    calls       BIGINT NOT NULL,
    CONSTRAINT tenant_calls_pkey PRIMARY KEY (tenant_id, month),
    CONSTRAINT tenant_calls_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) ON DELETE CASCADE
);
-- Who has made many of a month.
CREATE INDEX tenant_calls_months ON tenant_calls (month, calls);
CALL protect_tenant_table('tenant_calls');
GRANT SELECT ON tenant_calls TO fairlead_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON tenant_calls TO fairlead_system;

ALTER TABLE plan_limits ADD COLUMN max_calls BIGINT CONSTRAINT plan_limits_calls CHECK (max_calls >= 1);
