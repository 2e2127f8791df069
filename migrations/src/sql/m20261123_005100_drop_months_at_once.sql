-- As before, but whoever writes an event meanwhile waits for a twentieth of a second at the most: the caller tries again.
-- A partition cannot be detached beside them, because `events` has a default one.
CREATE OR REPLACE FUNCTION drop_event_partition(month date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    SET lock_timeout = '50ms'
    AS $$
BEGIN
    IF month <> date_trunc('month', month) OR month >= date_trunc('month', now() AT TIME ZONE 'UTC') THEN
        RAISE EXCEPTION '% is not the first day of a month that is over', month;
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS public.%I', 'events_' || to_char(month, 'YYYY_MM'));
END
$$;
-- What has come to no month since the months before were dropped stays, to be archived with the next.
GRANT SELECT (xid) ON events_default TO fairlead_system;
