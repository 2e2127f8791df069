-- What browsers of all tenants measure is a kind of samples, too. What is there has none of it yet.
ALTER TABLE perf.samples
    DROP CONSTRAINT samples_kind,
    ADD CONSTRAINT samples_kind CHECK (kind IN ('route', 'statements', 'vital', 'gauge', 'counter')) NOT VALID;
