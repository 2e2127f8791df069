ALTER TABLE perf.samples VALIDATE CONSTRAINT samples_kind;
