CREATE TABLE leads (
    tenant_id           UUID NOT NULL,
    id                  UUID NOT NULL,
    name                TEXT NOT NULL CONSTRAINT leads_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    email               TEXT,
    email_normalized    TEXT GENERATED ALWAYS AS (lower(email)) STORED,
    phone               TEXT,
    phone_normalized    TEXT GENERATED ALWAYS AS (regexp_replace(phone, '[^0-9]', '', 'g')) STORED,
    company             TEXT,
    -- TEXT and CHECK, not an enum: `enum =` is not leakproof, so a policy would keep it out of every index.
    status              TEXT NOT NULL CONSTRAINT leads_status CHECK (status IN ('NEW', 'CONTACTED', 'QUALIFIED', 'CLOSED')),
    close_reason        TEXT CONSTRAINT leads_close_reason CHECK (close_reason IN ('WON', 'LOST', 'DISQUALIFIED', 'DUPLICATE')),
    source              TEXT,
    insurance_type      TEXT,
    zip_code            TEXT,
    quality_score       INT NOT NULL DEFAULT 0 CONSTRAINT leads_quality_score CHECK (quality_score BETWEEN 0 AND 100),
    assigned_to         UUID,
    custom_fields       JSONB NOT NULL DEFAULT '{}',
    version             BIGINT NOT NULL DEFAULT 1,
    created_at          TIMESTAMPTZ NOT NULL,
    updated_at          TIMESTAMPTZ NOT NULL,
    CONSTRAINT leads_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT leads_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id),
    CONSTRAINT leads_assignee FOREIGN KEY (tenant_id, assigned_to) REFERENCES users (tenant_id, id),
    CONSTRAINT leads_closed CHECK ((status = 'CLOSED') = (close_reason IS NOT NULL))
);
-- The default list, newest first, and its keyset.
CREATE INDEX idx_leads_created ON leads (tenant_id, created_at DESC, id DESC);
-- sort=updatedAt and sort=qualityScore.
CREATE INDEX idx_leads_updated ON leads (tenant_id, updated_at DESC, id DESC);
CREATE INDEX idx_leads_score ON leads (tenant_id, quality_score DESC, id DESC);
-- IDX-01: the open pipeline.
CREATE INDEX idx_leads_tenant_performance ON leads (tenant_id, status, created_at DESC)
    WHERE status IN ('NEW', 'CONTACTED', 'QUALIFIED');
-- IDX-11: status= over all states, with the keyset.
CREATE INDEX idx_leads_status_created ON leads (tenant_id, status, created_at DESC, id DESC);
-- IDX-04: the work list of an agent.
CREATE INDEX idx_leads_active_assigned ON leads (tenant_id, assigned_to, updated_at DESC)
    WHERE status <> 'CLOSED' AND assigned_to IS NOT NULL;
-- assignedTo=, closed leads included.
CREATE INDEX idx_leads_assigned_created ON leads (tenant_id, assigned_to, created_at DESC, id DESC);
-- IDX-12, IDX-13, IDX-14.
CREATE INDEX idx_leads_insurance_score ON leads (tenant_id, insurance_type, quality_score DESC);
CREATE INDEX idx_leads_zip_insurance ON leads (tenant_id, zip_code, insurance_type);
CREATE INDEX idx_leads_source_status ON leads (tenant_id, source, status);
-- skipDuplicates.
CREATE INDEX idx_leads_email ON leads (tenant_id, email_normalized) WHERE email_normalized IS NOT NULL;
CREATE INDEX idx_leads_phone ON leads (tenant_id, phone_normalized) WHERE phone_normalized IS NOT NULL;
-- IDX-03: search over name and company; reached through search_leads alone, see there. btree_gin puts the tenant first.
-- Words are runs of letters and digits, as in a search text: left to itself the parser would take "acme.com" for a
-- host and "blue-7" for a word and a negative number, and neither "acme com" nor "blue 7" would find them.
CREATE INDEX idx_leads_search ON leads
    USING gin (tenant_id, to_tsvector('fairlead_names',
        regexp_replace(name || ' ' || COALESCE(company, ''), '[^[:alnum:]]+', ' ', 'g')));
CALL protect_tenant_table('leads');
GRANT SELECT, INSERT, UPDATE, DELETE ON leads TO fairlead_app;
GRANT SELECT, INSERT ON leads TO fairlead_system;

-- `@@` is not leakproof: under a policy it can only filter rows after the tenant's rows were all read. So search runs
-- as fairlead_system, for whose policy every row is visible, and compares the tenant itself; the caller reads the ids
-- it gets back under its own policies. Without a tenant `current_tenant()` is NULL and nothing is found.
-- At most `candidates` matches are ranked, so that a word which half the leads share stays cheap.
-- `pg_temp` stands last in the search path: where it is not named it is searched first, and a temporary view called
-- `leads` would run its maker's functions as fairlead_system.
CREATE FUNCTION search_leads(query tsquery, candidates int, wanted int) RETURNS TABLE (id uuid, rank real)
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    -- pg_temp last: left out it would come first, and a caller could put a table of its own in the way.
    SET search_path = pg_catalog, public, pg_temp
    AS $$
BEGIN
    RETURN QUERY
        SELECT c.id, ts_rank(c.words, query, 1) AS rank
        FROM (
            SELECT l.id, to_tsvector('fairlead_names',
                       regexp_replace(l.name || ' ' || COALESCE(l.company, ''), '[^[:alnum:]]+', ' ', 'g')) AS words
            FROM public.leads l
            WHERE l.tenant_id = current_tenant()
              AND to_tsvector('fairlead_names',
                      regexp_replace(l.name || ' ' || COALESCE(l.company, ''), '[^[:alnum:]]+', ' ', 'g')) @@ query
            LIMIT LEAST(candidates, 1000)
        ) c
        ORDER BY rank DESC, c.id DESC
        LIMIT LEAST(wanted, 1000);
END
$$;
REVOKE EXECUTE ON FUNCTION search_leads FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_leads TO fairlead_app;
GRANT CREATE ON SCHEMA public TO fairlead_system;
ALTER FUNCTION search_leads OWNER TO fairlead_system;
REVOKE CREATE ON SCHEMA public FROM fairlead_system;

-- Who held which lead, and since when.
CREATE TABLE lead_assignments (
    tenant_id   UUID NOT NULL,
    id          UUID NOT NULL,
    lead_id     UUID NOT NULL,
    agent_id    UUID NOT NULL,
    status      TEXT NOT NULL CONSTRAINT lead_assignments_status CHECK (status IN ('ACTIVE', 'ENDED')),
    assigned_by UUID,                               -- NULL: by an API key or the system
    assigned_at TIMESTAMPTZ NOT NULL,
    ended_at    TIMESTAMPTZ,
    CONSTRAINT lead_assignments_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT lead_assignments_lead FOREIGN KEY (tenant_id, lead_id) REFERENCES leads (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT lead_assignments_agent FOREIGN KEY (tenant_id, agent_id) REFERENCES users (tenant_id, id),
    CONSTRAINT lead_assignments_ended CHECK ((status = 'ENDED') = (ended_at IS NOT NULL))
);
-- IDX-18, IDX-19, IDX-20.
CREATE INDEX lead_assignments_status_time ON lead_assignments (tenant_id, status, assigned_at DESC);
CREATE INDEX lead_assignments_agent_status ON lead_assignments (tenant_id, agent_id, status);
CREATE INDEX lead_assignments_lead_status ON lead_assignments (tenant_id, lead_id, status);
-- A lead is held by one agent at a time.
CREATE UNIQUE INDEX lead_assignments_one_active ON lead_assignments (tenant_id, lead_id) WHERE status = 'ACTIVE';
CALL protect_tenant_table('lead_assignments');
GRANT SELECT, INSERT, UPDATE, DELETE ON lead_assignments TO fairlead_app;
GRANT SELECT ON lead_assignments TO fairlead_system;

CREATE TABLE activities (
    tenant_id   UUID NOT NULL,
    id          UUID NOT NULL,
    lead_id     UUID NOT NULL,
    type        TEXT NOT NULL CONSTRAINT activities_type
                CHECK (type IN ('NOTE', 'CALL', 'EMAIL', 'MEETING', 'TASK', 'STATUS_CHANGE', 'ASSIGNMENT', 'SCORE')),
    subject     TEXT,
    body        TEXT,
    actor_id    UUID,                               -- a user, or NULL: an API key or the system
    occurred_at TIMESTAMPTZ NOT NULL,
    version     BIGINT NOT NULL DEFAULT 1,
    created_at  TIMESTAMPTZ NOT NULL,
    CONSTRAINT activities_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT activities_lead FOREIGN KEY (tenant_id, lead_id) REFERENCES leads (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT activities_actor FOREIGN KEY (tenant_id, actor_id) REFERENCES users (tenant_id, id)
);
-- IDX-02: the newest of a lead, with the keyset. The tenant-led foreign key also uses it when a lead goes.
CREATE INDEX idx_activities_tenant_lead_time ON activities (tenant_id, lead_id, created_at DESC, id DESC);
-- GET /activities, newest first, and by actor or type.
CREATE INDEX idx_activities_created ON activities (tenant_id, created_at DESC, id DESC);
CREATE INDEX idx_activities_actor ON activities (tenant_id, actor_id, created_at DESC, id DESC);
CREATE INDEX idx_activities_type ON activities (tenant_id, type, created_at DESC, id DESC);
CALL protect_tenant_table('activities');
GRANT SELECT, INSERT, UPDATE, DELETE ON activities TO fairlead_app;
GRANT SELECT, INSERT ON activities TO fairlead_system;
