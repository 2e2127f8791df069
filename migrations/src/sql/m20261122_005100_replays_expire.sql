-- A replay whose events were dropped before they were sent.
ALTER TABLE webhook_replays
    DROP CONSTRAINT webhook_replays_state,
    ADD CONSTRAINT webhook_replays_state CHECK (state IN ('RUNNING', 'COMPLETED', 'STOPPED', 'EXPIRED'));
