-- What was asked for, where the input does not say it; as its kind writes it.
ALTER TABLE operations ADD COLUMN request JSONB;
GRANT INSERT (request), UPDATE (total) ON operations TO fairlead_app;
