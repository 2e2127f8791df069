-- When a webhook was last seen to fail, give or take some minutes: a long time before that in which nobody tried counts
-- for nothing.
ALTER TABLE webhooks ADD COLUMN failed_at TIMESTAMPTZ;
-- Housekeeping forgets old secrets, and reads none.
ALTER TABLE webhooks ADD COLUMN keeps_old_secret BOOLEAN NOT NULL GENERATED ALWAYS AS (old_secret IS NOT NULL) STORED;
GRANT SELECT (old_secret_until, keeps_old_secret), UPDATE (old_secret) ON webhooks TO fairlead_system;
CREATE INDEX webhooks_old_secrets ON webhooks (old_secret_until) WHERE keeps_old_secret;
-- What has become of a replay.
CREATE INDEX webhook_deliveries_replay ON webhook_deliveries (tenant_id, replay_id, state) WHERE replay_id IS NOT NULL;
