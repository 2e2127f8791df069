CREATE TABLE tenants (
    -- The tenant of the row that describes a tenant is the tenant itself; so it is a tenant table like any other.
    tenant_id   UUID NOT NULL,
    id          UUID NOT NULL,
    slug        TEXT NOT NULL,                      -- names the tenant at login and on command lines
    name        TEXT NOT NULL CONSTRAINT tenants_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    version     BIGINT NOT NULL DEFAULT 1,
    created_at  TIMESTAMPTZ NOT NULL,
    updated_at  TIMESTAMPTZ NOT NULL,
    CONSTRAINT tenants_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT tenants_self CHECK (tenant_id = id),
    CONSTRAINT tenants_slug_form CHECK (slug ~ '^[a-z0-9](-?[a-z0-9])*$' AND char_length(slug) <= 63)
);
-- Slugs are public names, unique over the platform; sign-up adds a random suffix, so nothing is learnt from one.
CREATE UNIQUE INDEX tenants_slug ON tenants (slug);
CREATE UNIQUE INDEX tenants_tenant ON tenants (tenant_id);
CALL protect_tenant_table('tenants');
GRANT SELECT, UPDATE (name, version, updated_at) ON tenants TO fairlead_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON tenants TO fairlead_system;

CREATE TABLE users (
    tenant_id       UUID NOT NULL,
    id              UUID NOT NULL,
    email           TEXT NOT NULL,                  -- lower case
    name            TEXT NOT NULL CONSTRAINT users_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    role            TEXT NOT NULL CONSTRAINT users_role CHECK (role IN ('OWNER', 'ADMIN', 'AGENT', 'VIEWER')),
    active          BOOLEAN NOT NULL,
    is_agent        BOOLEAN NOT NULL,               -- takes leads; the columns up to open_leads describe the agent
    state           TEXT,
    city            TEXT,
    specializations TEXT[] NOT NULL DEFAULT '{}',   -- lower case, sorted
    rating          INT NOT NULL DEFAULT 0 CONSTRAINT users_rating CHECK (rating BETWEEN 0 AND 100),
    max_open_leads  INT NOT NULL DEFAULT 0 CONSTRAINT users_max_open_leads CHECK (max_open_leads >= 0),
    open_leads      INT NOT NULL DEFAULT 0 CONSTRAINT users_open_leads CHECK (open_leads >= 0),
    version         BIGINT NOT NULL DEFAULT 1,
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    CONSTRAINT users_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT users_email UNIQUE (tenant_id, email),
    CONSTRAINT users_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id)
);
-- GET /users, newest first.
CREATE INDEX users_created ON users (tenant_id, created_at DESC, id DESC);
-- IDX-15: who is free.
CREATE INDEX users_agent_load ON users (tenant_id, active, open_leads) WHERE is_agent;
-- IDX-16: who covers a place and knows a line.
CREATE INDEX users_agent_place ON users (tenant_id, state, city, specializations) WHERE is_agent;
-- IDX-17: the best first; also the order of GET /agents.
CREATE INDEX users_agent_rating ON users (tenant_id, rating DESC, id DESC, active) WHERE is_agent;
CALL protect_tenant_table('users');
GRANT SELECT, INSERT, UPDATE ON users TO fairlead_app, fairlead_system;
