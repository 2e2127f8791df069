-- Jobs of the platform that are enqueued again and again.
CREATE TABLE job_schedules (
    name        TEXT NOT NULL,
    queue       TEXT NOT NULL,
    kind        TEXT NOT NULL,
    payload     JSONB NOT NULL,
    cron        TEXT NOT NULL,
    time_zone   TEXT NOT NULL,                      -- of the IANA database
    -- When nobody was there at its moment. skip: it waits for the next one. once: it is made up for, once.
    missed      TEXT NOT NULL CONSTRAINT job_schedules_missed CHECK (missed IN ('skip', 'once')),
    -- While its last job is not finished. skip: no other is enqueued. allow: it is.
    overlap     TEXT NOT NULL CONSTRAINT job_schedules_overlap CHECK (overlap IN ('skip', 'allow')),
    next_at     TIMESTAMPTZ NOT NULL,
    last_at     TIMESTAMPTZ,                        -- the last moment that was not missed
    created_by  TEXT NOT NULL,                      -- the operator; system: it comes with the platform
    created_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT job_schedules_pkey PRIMARY KEY (name)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON job_schedules TO fairlead_system;
