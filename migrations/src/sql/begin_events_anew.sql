-- No step: has the log of events begin anew, see begin_anew.rs.
-- What they were to send is gone; a replay that has ended, and a delivery, are looked at and no more.
UPDATE webhook_replays SET state = 'STOPPED', ended_at = now() WHERE state = 'RUNNING';
UPDATE webhook_deliveries SET state = 'FAILED', next_at = NULL, ended_at = now() WHERE state = 'PENDING';
-- They are sent all that is recorded from now on.
UPDATE webhooks SET since_xid = '0', since_position = 0;
TRUNCATE events, inbox, event_readers, events_dropped;
