-- What was measured, for operators: no tenant's rows, and the role that serves requests cannot reach it.
CREATE SCHEMA perf;
GRANT USAGE ON SCHEMA perf TO fairlead_system;

-- By interval, process and series. Samples become fewer with age: as they were measured (grain 0) for two days, by the hour
-- (1) for ninety, by the day (2) after that; see `Grain`.
CREATE TABLE perf.samples (
    grain       INT NOT NULL CONSTRAINT samples_grain CHECK (grain BETWEEN 0 AND 2),
    at          TIMESTAMPTZ NOT NULL,           -- when the interval began
    process     TEXT NOT NULL,                  -- '' of what was several processes'
    kind        TEXT NOT NULL CONSTRAINT samples_kind CHECK (kind IN ('route', 'statements', 'gauge', 'counter')),
    name        TEXT NOT NULL,
    class       INT NOT NULL,                   -- of a status: its first digit; else 0
    looks       BIGINT NOT NULL,                -- requests, statements, events, or how often a level was looked at
    sum         DOUBLE PRECISION NOT NULL,      -- of the levels
    highest     DOUBLE PRECISION NOT NULL,      -- of the levels
    sketch      BYTEA,                          -- how long they took
    CONSTRAINT samples_pkey PRIMARY KEY (grain, at, kind, name, class, process)
);
GRANT SELECT, INSERT, DELETE ON perf.samples TO fairlead_system;
