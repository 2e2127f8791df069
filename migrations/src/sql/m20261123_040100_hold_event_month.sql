-- Keeps everybody from writing to a month until the transaction has ended, so that what was seen of it is all there is
-- when it is dropped: also what a transaction wrote that began long before. Whoever reads, and whoever writes to another
-- month, does not wait; and this waits no longer for whoever writes than the drop itself: the caller tries again. Returns
-- whether there is such a month.
CREATE FUNCTION hold_event_month(month date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    SET lock_timeout = '50ms'
    AS $$
DECLARE
    partition text := 'events_' || to_char(month, 'YYYY_MM');
BEGIN
    IF to_regclass(format('public.%I', partition)) IS NULL THEN
        RETURN FALSE;
    END IF;
    EXECUTE format('LOCK TABLE ONLY public.%I IN SHARE MODE', partition);
    RETURN TRUE;
EXCEPTION
    -- Another process has dropped it while this waited.
    WHEN undefined_table THEN RETURN FALSE;
END
$$;
REVOKE EXECUTE ON FUNCTION hold_event_month FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hold_event_month TO fairlead_system;
