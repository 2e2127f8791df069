-- The timeline of the log that a replica receives; NULL while it receives nothing, and when fairlead_system may not monitor.
-- Whoever follows a failover tells of it here at once, and elsewhere only with its next restart point. As fairlead_system,
-- because PostgreSQL shows it to those who monitor alone.
CREATE FUNCTION received_timeline() RETURNS int
    LANGUAGE sql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS 'SELECT received_tli FROM pg_stat_wal_receiver';
REVOKE EXECUTE ON FUNCTION received_timeline FROM PUBLIC;
GRANT EXECUTE ON FUNCTION received_timeline TO fairlead_app;
GRANT CREATE ON SCHEMA public TO fairlead_system;
ALTER FUNCTION received_timeline OWNER TO fairlead_system;
REVOKE CREATE ON SCHEMA public FROM fairlead_system;
