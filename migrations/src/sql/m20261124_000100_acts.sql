-- What was done to have the database fast, by whom and why, and what came of it: of no tenant, and one of each for all
-- processes.
CREATE TABLE perf.acts (
    id          UUID PRIMARY KEY,
    kind        TEXT NOT NULL,
    subject     TEXT NOT NULL,
    deed        JSONB NOT NULL,
    why         TEXT NOT NULL,
    asked_by    TEXT NOT NULL,
    asked_at    TIMESTAMPTZ NOT NULL,
    state       TEXT NOT NULL CONSTRAINT acts_state
                CHECK (state IN ('waiting', 'running', 'done', 'reverted', 'failed', 'cancelled')),
    begun_at    TIMESTAMPTZ,
    ended_at    TIMESTAMPTZ,
    progress    JSONB,
    before      JSONB NOT NULL,
    after       JSONB NOT NULL,
    outcome     TEXT,
    CONSTRAINT acts_ended CHECK ((ended_at IS NOT NULL) = (state NOT IN ('waiting', 'running')))
);
-- The same is done once at a time.
CREATE UNIQUE INDEX acts_under_way ON perf.acts (kind, subject) WHERE ended_at IS NULL;
CREATE INDEX acts_over ON perf.acts (ended_at) WHERE ended_at IS NOT NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON perf.acts TO fairlead_system;
