-- Housekeeping ends what nobody sends any more.
GRANT UPDATE (state, next_at, ended_at) ON webhook_deliveries TO fairlead_system;
GRANT UPDATE (state, ended_at) ON webhook_replays TO fairlead_system;
