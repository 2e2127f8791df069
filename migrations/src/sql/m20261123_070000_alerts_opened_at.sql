-- The incident has it, and nobody reads it here; processes of the version before still write it. For a while it was not made.
ALTER TABLE perf.alerts ADD COLUMN IF NOT EXISTS opened_at TIMESTAMPTZ;
ALTER TABLE perf.alerts ALTER COLUMN opened_at DROP NOT NULL;
