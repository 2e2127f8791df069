-- What operators are told of, when, and what was told: one of each for all processes, and of no tenant.

-- Whose turn it is to judge what was measured. Whoever changes anything below locks this row first.
CREATE TABLE perf.alert_turn (
    is_it       BOOLEAN PRIMARY KEY DEFAULT true CONSTRAINT alert_turn_single CHECK (is_it),
    number      BIGINT NOT NULL,
    began_at    TIMESTAMPTZ NOT NULL
);
INSERT INTO perf.alert_turn (number, began_at) VALUES (0, '-infinity');
GRANT SELECT, UPDATE ON perf.alert_turn TO fairlead_system;

-- Those that come with the platform are put here by it, and are as it has them until an operator changes them.
CREATE TABLE perf.alert_rules (
    key                     TEXT PRIMARY KEY CONSTRAINT alert_rules_key CHECK (key ~ '^[a-z][a-z0-9-]{0,63}$'),
    metric                  TEXT NOT NULL,
    warning                 DOUBLE PRECISION,
    critical                DOUBLE PRECISION,
    hold_seconds            BIGINT NOT NULL,
    calm_seconds            BIGINT NOT NULL,
    cooldown_seconds        BIGINT NOT NULL,
    escalate_after_seconds  BIGINT NOT NULL,
    enabled                 BOOLEAN NOT NULL,
    changed_by              TEXT,
    changed_at              TIMESTAMPTZ,
    CONSTRAINT alert_rules_threshold CHECK (warning IS NOT NULL OR critical IS NOT NULL),
    CONSTRAINT alert_rules_changed CHECK ((changed_by IS NULL) = (changed_at IS NULL))
);
GRANT SELECT, INSERT, UPDATE, DELETE ON perf.alert_rules TO fairlead_system;

-- What they promise is the program's to know; how much of it, the operators'.
CREATE TABLE perf.objectives (
    name        TEXT PRIMARY KEY,
    target      DOUBLE PRECISION NOT NULL CONSTRAINT objectives_target CHECK (target > 0 AND target < 1),
    enabled     BOOLEAN NOT NULL,
    changed_by  TEXT,
    changed_at  TIMESTAMPTZ,
    CONSTRAINT objectives_changed CHECK ((changed_by IS NULL) = (changed_at IS NULL))
);
GRANT SELECT, INSERT, UPDATE ON perf.objectives TO fairlead_system;

-- Requests of all processes by five minutes, and how many of them were not as promised.
CREATE TABLE perf.objective_counts (
    at          TIMESTAMPTZ NOT NULL,
    objective   TEXT NOT NULL,
    total       BIGINT NOT NULL,
    bad         BIGINT NOT NULL,
    CONSTRAINT objective_counts_pkey PRIMARY KEY (at, objective)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON perf.objective_counts TO fairlead_system;

-- Where each rule and objective stands.
CREATE TABLE perf.alert_watches (
    key         TEXT PRIMARY KEY,
    watch       JSONB NOT NULL,
    silence     JSONB,
    value       DOUBLE PRECISION,
    read_at     TIMESTAMPTZ
);
GRANT SELECT, INSERT, UPDATE ON perf.alert_watches TO fairlead_system;

-- Incidents: of each rule at most one that is not over.
CREATE TABLE perf.alerts (
    id              UUID PRIMARY KEY,
    rule            TEXT NOT NULL,
    metric          TEXT,                       -- NULL of an objective
    severity        TEXT NOT NULL CONSTRAINT alerts_severity CHECK (severity IN ('warning', 'critical')),
    opened_at       TIMESTAMPTZ NOT NULL,
    incident        JSONB NOT NULL,
    acknowledged_by TEXT,
    resolved_at     TIMESTAMPTZ
);
CREATE UNIQUE INDEX alerts_active ON perf.alerts (rule) WHERE resolved_at IS NULL;
CREATE INDEX alerts_resolved ON perf.alerts (resolved_at) WHERE resolved_at IS NOT NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON perf.alerts TO fairlead_system;

-- What was told of them.
CREATE TABLE perf.alert_notices (
    id          UUID PRIMARY KEY,
    alert_id    UUID NOT NULL CONSTRAINT alert_notices_alert REFERENCES perf.alerts ON DELETE CASCADE,
    at          TIMESTAMPTZ NOT NULL,
    kind        TEXT NOT NULL CONSTRAINT alert_notices_kind CHECK (kind IN ('opened', 'escalated', 'resolved')),
    severity    TEXT NOT NULL CONSTRAINT alert_notices_severity CHECK (severity IN ('warning', 'critical')),
    value       DOUBLE PRECISION NOT NULL,
    why         TEXT CONSTRAINT alert_notices_why CHECK (why IN ('worse', 'lasting'))
);
CREATE UNIQUE INDEX alert_notices_once ON perf.alert_notices (alert_id, kind);
GRANT SELECT, INSERT, DELETE ON perf.alert_notices TO fairlead_system;
