-- How many leads each tenant has by status, and when they were created, kept by the transactions that write leads.
--
-- A row counts what the transactions that held its slot have added and taken away; what is true is the sum over the
-- slots of a tenant, so a single row may be negative. Writers of one tenant take different slots, and never wait for
-- each other until one has committed.
CREATE TABLE lead_statistics (
    tenant_id       UUID NOT NULL,
    status          TEXT NOT NULL,
    slot            INT NOT NULL,                   -- -1: what repairs have added
    leads           BIGINT NOT NULL,
    -- The sum of created_at in seconds since 1970, exact to the microsecond. Not a BIGINT of microseconds, which the sum
    -- of 6,000 leads overflows. A moment that is infinite is refused: it could not be taken away again.
    created_seconds NUMERIC(38, 6) NOT NULL,
    CONSTRAINT lead_statistics_pkey PRIMARY KEY (tenant_id, status, slot),
    CONSTRAINT lead_statistics_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) ON DELETE CASCADE
)
-- Half of each page is for new versions of its rows: no index is touched, and dead ones are pruned in passing.
WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CALL protect_tenant_table('lead_statistics');
-- Whoever writes leads has no other way to write these.
GRANT SELECT ON lead_statistics TO fairlead_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON lead_statistics TO fairlead_system;

-- The lowest slot of a tenant in which no other open transaction counts; it is this transaction's until it ends. So a
-- tenant has as many slots as transactions ever wrote its leads at once, one when it is quiet. Nothing is waited for:
-- a writer that waited here, holding locks, could wait for one that waits for these.
CREATE FUNCTION free_lead_statistics_slot(tenant uuid) RETURNS int
    LANGUAGE plpgsql VOLATILE
    AS $$
DECLARE
    slot int := 0;
BEGIN
    WHILE NOT pg_try_advisory_xact_lock(uuid_hash_extended(tenant, slot)) LOOP
        slot := slot + 1;
    END LOOP;
    RETURN slot;
END
$$;
REVOKE EXECUTE ON FUNCTION free_lead_statistics_slot FROM PUBLIC;

-- Counts the leads that a statement has written, once for all of them. A statement that leaves statuses and creation
-- times as they are changes nothing here, and takes no slot.
CREATE FUNCTION count_leads() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
BEGIN
    CASE TG_OP
        WHEN 'INSERT' THEN
            INSERT INTO lead_statistics AS counted
            SELECT tenant_id, status, free_lead_statistics_slot(tenant_id), COUNT(*), SUM(EXTRACT(epoch FROM created_at))
            FROM added
            GROUP BY tenant_id, status
            ON CONFLICT ON CONSTRAINT lead_statistics_pkey DO UPDATE
            SET leads = counted.leads + EXCLUDED.leads,
                created_seconds = counted.created_seconds + EXCLUDED.created_seconds;
        WHEN 'UPDATE' THEN
            INSERT INTO lead_statistics AS counted
            SELECT tenant_id, status, free_lead_statistics_slot(tenant_id), SUM(leads), SUM(created_seconds)
            FROM (SELECT tenant_id, status, 1 AS leads, EXTRACT(epoch FROM created_at) AS created_seconds FROM added
                  UNION ALL
                  SELECT tenant_id, status, -1, -EXTRACT(epoch FROM created_at) FROM removed) AS changed
            GROUP BY tenant_id, status
            HAVING SUM(leads) <> 0 OR SUM(created_seconds) <> 0
            ON CONFLICT ON CONSTRAINT lead_statistics_pkey DO UPDATE
            SET leads = counted.leads + EXCLUDED.leads,
                created_seconds = counted.created_seconds + EXCLUDED.created_seconds;
        WHEN 'DELETE' THEN
            INSERT INTO lead_statistics AS counted
            SELECT tenant_id, status, free_lead_statistics_slot(tenant_id), -COUNT(*), -SUM(EXTRACT(epoch FROM created_at))
            FROM removed
            GROUP BY tenant_id, status
            ON CONFLICT ON CONSTRAINT lead_statistics_pkey DO UPDATE
            SET leads = counted.leads + EXCLUDED.leads,
                created_seconds = counted.created_seconds + EXCLUDED.created_seconds;
        WHEN 'TRUNCATE' THEN
            DELETE FROM lead_statistics;
    END CASE;
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION count_leads FROM PUBLIC;

GRANT CREATE ON SCHEMA public TO fairlead_system;
ALTER FUNCTION free_lead_statistics_slot OWNER TO fairlead_system;
ALTER FUNCTION count_leads OWNER TO fairlead_system;
REVOKE CREATE ON SCHEMA public FROM fairlead_system;

CREATE TRIGGER leads_inserted AFTER INSERT ON leads
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_leads();
CREATE TRIGGER leads_updated AFTER UPDATE ON leads
    REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_leads();
CREATE TRIGGER leads_deleted AFTER DELETE ON leads
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_leads();
CREATE TRIGGER leads_truncated AFTER TRUNCATE ON leads
    FOR EACH STATEMENT EXECUTE FUNCTION count_leads();
