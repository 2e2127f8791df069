-- Has the log of events begin anew, in a database that was filled from a dump: as a superuser, before anything is served.
--
--   psql --set=ON_ERROR_STOP=1 --file=begin-events-anew.sql postgres://postgres@new/fairlead
--
-- A place in the log is a transaction's id, and a server that is filled from a dump counts transactions anew. So the
-- events of the dump are ahead of all that may be read, and what is recorded stands before all readers and cursors.
-- Where none is ahead nothing is changed.
DO $$
DECLARE
    next CONSTANT xid8 := pg_snapshot_xmax(pg_current_snapshot());
    events_gone bigint;
    deliveries_ended bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM events WHERE xid >= next)
        AND NOT EXISTS (SELECT FROM event_readers WHERE xid >= next)
        AND NOT EXISTS (SELECT FROM events_dropped WHERE xid >= next)
        AND NOT EXISTS (SELECT FROM webhooks WHERE since_xid >= next)
    THEN
        RAISE NOTICE 'the log of events is of this server, or behind it: nothing is changed';
        RETURN;
    END IF;
    SELECT count(*) INTO events_gone FROM events;
    -- What they were to send is gone; a replay that has ended, and a delivery, are looked at and no more.
    UPDATE webhook_replays SET state = 'STOPPED', ended_at = now() WHERE state = 'RUNNING';
    UPDATE webhook_deliveries SET state = 'FAILED', next_at = NULL, ended_at = now() WHERE state = 'PENDING';
    GET DIAGNOSTICS deliveries_ended = ROW_COUNT;
    -- They are sent all that is recorded from now on.
    UPDATE webhooks SET since_xid = '0', since_position = 0;
    TRUNCATE events, inbox, event_readers, events_dropped;
    RAISE NOTICE 'the log of events begins anew: % events are gone, % deliveries have failed', events_gone,
        deliveries_ended;
END
$$;
