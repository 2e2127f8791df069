-- The incident has it, and nobody reads it here; processes of the version before still write it.
ALTER TABLE perf.alerts ALTER COLUMN opened_at DROP NOT NULL;
