-- How many of the calls of a month rows of usage_reports have; NULL: none was looked at.
ALTER TABLE tenant_calls ADD COLUMN reported BIGINT;

-- Calls of the API that the payment provider is told of, so that they can be billed. A row is there before the provider is
-- told, and its id is that by which the provider knows it again; so what it says never changes.
CREATE TABLE usage_reports (
    tenant_id       UUID NOT NULL,
    id              UUID NOT NULL,
    month           DATE NOT NULL,                  -- that of the calls: its first day, by UTC
    meter           TEXT NOT NULL,                  -- what the provider calls that by which it adds up
    customer        TEXT NOT NULL,                  -- and whom it bills
    calls           BIGINT NOT NULL CONSTRAINT usage_reports_calls CHECK (calls > 0),
    used_at         TIMESTAMPTZ NOT NULL,           -- within the month
    state           TEXT NOT NULL CONSTRAINT usage_reports_state
                    CHECK (state IN ('PENDING', 'DONE', 'REFUSED', 'UNKNOWN', 'LATE')),
    asked_at        TIMESTAMPTZ,                    -- since when the provider may have taken it
    fault           TEXT,                           -- what the last attempt came to, if to nothing
    created_at      TIMESTAMPTZ NOT NULL,
    CONSTRAINT usage_reports_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT usage_reports_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) ON DELETE CASCADE
);
-- The latest of a month, and no two of them that wait.
CREATE INDEX usage_reports_months ON usage_reports (tenant_id, month, created_at);
CREATE UNIQUE INDEX usage_reports_pending ON usage_reports (tenant_id, month) WHERE state = 'PENDING';
-- Those that wait, of all tenants, and those that are old enough to go.
CREATE INDEX usage_reports_waiting ON usage_reports (created_at, id) WHERE state = 'PENDING';
CREATE INDEX usage_reports_done ON usage_reports (created_at) WHERE state = 'DONE';
CALL protect_tenant_table('usage_reports');
GRANT SELECT ON usage_reports TO fairlead_app;
GRANT SELECT, INSERT, UPDATE (state, asked_at, fault), DELETE ON usage_reports TO fairlead_system;
GRANT SELECT (created_at) ON billing_customers TO fairlead_system;
