-- A replay that was stopped because its job was given up. It goes on where it stopped when an operator has the job tried
-- again; one that was stopped with its webhook does not.
ALTER TABLE webhook_replays
    ADD COLUMN given_up BOOLEAN NOT NULL DEFAULT FALSE
        CONSTRAINT webhook_replays_given_up CHECK (state = 'STOPPED' OR NOT given_up);
GRANT UPDATE (given_up) ON webhook_replays TO fairlead_system;
