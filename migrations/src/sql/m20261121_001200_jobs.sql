-- Work that is done behind the requests. A job is enqueued by the transaction that it follows from.
CREATE TABLE jobs (
    tenant_id       UUID NOT NULL,                  -- zeros: the platform's own
    id              UUID NOT NULL,
    queue           TEXT NOT NULL,
    kind            TEXT NOT NULL,                  -- names the handler
    payload         JSONB NOT NULL,
    unique_key      TEXT,
    priority        INT NOT NULL,                   -- of the jobs of one tenant, the lowest is first
    -- delayed: not before run_at. active: claimed, until lease_until. dead: given up, until somebody retries it.
    state           TEXT NOT NULL
                    CONSTRAINT jobs_state CHECK (state IN ('delayed', 'waiting', 'active', 'completed', 'dead')),
    attempts        INT NOT NULL DEFAULT 0,         -- begun, and not given back
    max_attempts    INT NOT NULL DEFAULT 1,         -- as of the last claim
    -- How often it was claimed. What a worker does with a claim that is not the last is refused.
    fence           INT NOT NULL DEFAULT 0,
    worker          TEXT,                           -- who has claimed it last
    fault           TEXT,                           -- why the last attempt failed
    schedule        TEXT,                           -- what has enqueued it, if it was no transaction
    fire_at         TIMESTAMPTZ,                    -- and for which moment
    trace_context   TEXT,                           -- W3C traceparent of the request
    created_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    run_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    started_at      TIMESTAMPTZ,
    lease_until     TIMESTAMPTZ,
    finished_at     TIMESTAMPTZ,
    CONSTRAINT jobs_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT jobs_lease CHECK ((state = 'active') = (lease_until IS NOT NULL)),
    CONSTRAINT jobs_finish CHECK ((state IN ('completed', 'dead')) = (finished_at IS NOT NULL))
)
-- Every row is rewritten a few times in a short life.
WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 1000);
-- Claims: which tenants have jobs waiting, and which job is each one's next. An expression that says the same as
-- tenant_id, because otherwise a claim could be planned through the primary key, and read all that is finished.
CREATE INDEX jobs_waiting ON jobs (queue, (GREATEST(tenant_id, tenant_id)), priority, run_at, id)
    WHERE state = 'waiting';
-- What becomes due, and whose worker is gone.
CREATE INDEX jobs_delayed ON jobs (run_at) INCLUDE (queue) WHERE state = 'delayed';
CREATE INDEX jobs_leases ON jobs (lease_until) INCLUDE (queue) WHERE state = 'active';
-- Operators list the newest of a queue, and look one up by its id.
CREATE INDEX jobs_newest ON jobs (queue, id);
-- Dead letters, figures of what was done lately, and clearing away by age.
CREATE INDEX jobs_finished ON jobs (queue, state, finished_at) INCLUDE (run_at, started_at)
    WHERE state IN ('completed', 'dead');
CREATE UNIQUE INDEX jobs_unique_key ON jobs (tenant_id, queue, unique_key)
    WHERE unique_key IS NOT NULL AND state IN ('delayed', 'waiting', 'active');
-- Of dead jobs with one unique key the last one is retried.
CREATE INDEX jobs_dead_key ON jobs (tenant_id, queue, unique_key, id) WHERE unique_key IS NOT NULL AND state = 'dead';
-- A schedule fires once for each of its moments, whoever fires it.
CREATE UNIQUE INDEX jobs_fired ON jobs (tenant_id, schedule, fire_at) WHERE schedule IS NOT NULL;
CALL protect_tenant_table('jobs');
-- Requests enqueue; handlers finish their jobs in the transaction of what they did.
GRANT SELECT, INSERT (tenant_id, id, queue, kind, payload, unique_key, priority, state, trace_context, run_at),
    UPDATE (state, lease_until, finished_at) ON jobs TO fairlead_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON jobs TO fairlead_system;

-- Queues that operators have stopped; one that is not here runs.
CREATE TABLE job_queues (
    queue       TEXT NOT NULL,
    -- paused: no job is begun. draining: none that became due after since.
    mode        TEXT NOT NULL CONSTRAINT job_queues_mode CHECK (mode IN ('paused', 'draining')),
    reason      TEXT NOT NULL,
    operator    TEXT NOT NULL,
    since       TIMESTAMPTZ NOT NULL DEFAULT now(),
    until       TIMESTAMPTZ,                        -- NULL: until somebody resumes it
    CONSTRAINT job_queues_pkey PRIMARY KEY (queue)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON job_queues TO fairlead_system;

-- Parts of queues that operators have paused: a kind, a tenant, or a kind of a tenant.
CREATE TABLE job_pauses (
    queue       TEXT NOT NULL,
    kind        TEXT,                               -- NULL: all of the tenant
    of_tenant   UUID,                               -- NULL: of all; zeros: the platform's own
    reason      TEXT NOT NULL,
    operator    TEXT NOT NULL,
    since       TIMESTAMPTZ NOT NULL DEFAULT now(),
    until       TIMESTAMPTZ,                        -- NULL: until somebody resumes it
    CONSTRAINT job_pauses_part UNIQUE NULLS NOT DISTINCT (queue, kind, of_tenant),
    CONSTRAINT job_pauses_is_part CHECK (num_nonnulls(kind, of_tenant) > 0)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON job_pauses TO fairlead_system;
