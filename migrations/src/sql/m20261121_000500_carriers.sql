CREATE TABLE carriers (
    tenant_id           UUID NOT NULL,
    id                  UUID NOT NULL,
    name                TEXT NOT NULL CONSTRAINT carriers_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    active              BOOLEAN NOT NULL,
    partnership_status  TEXT NOT NULL CONSTRAINT carriers_partnership_status
                        CHECK (partnership_status IN ('PROSPECT', 'ACTIVE', 'SUSPENDED', 'ENDED')),
    partnership_tier    TEXT NOT NULL CONSTRAINT carriers_partnership_tier
                        CHECK (partnership_tier IN ('BRONZE', 'SILVER', 'GOLD', 'PLATINUM')),
    performance_score   INT NOT NULL CONSTRAINT carriers_performance_score CHECK (performance_score BETWEEN 0 AND 100),
    version             BIGINT NOT NULL DEFAULT 1,
    created_at          TIMESTAMPTZ NOT NULL,
    updated_at          TIMESTAMPTZ NOT NULL,
    CONSTRAINT carriers_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT carriers_name UNIQUE (tenant_id, name),
    CONSTRAINT carriers_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id)
);
CREATE INDEX carriers_created ON carriers (tenant_id, created_at DESC, id DESC);
-- IDX-24, IDX-25.
CREATE INDEX carriers_active_status ON carriers (tenant_id, active, partnership_status);
CREATE INDEX carriers_tier_score ON carriers (tenant_id, partnership_tier, performance_score DESC);
CALL protect_tenant_table('carriers');
GRANT SELECT, INSERT, UPDATE, DELETE ON carriers TO fairlead_app;
GRANT SELECT, INSERT ON carriers TO fairlead_system;
