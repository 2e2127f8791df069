-- Compares the counters of one tenant, or of all, with the leads, adds what they lack and returns what that was.
--
-- Leads and counters are read by one statement, in one snapshot, and every transaction changes both or neither. So
-- what is found lacking does not depend on those under way, and is still lacking when it is added: nobody waits for a
-- repair, nor a repair for anybody but another one. What it adds goes into a slot of its own, where no writer counts.
CREATE FUNCTION repair_lead_statistics(only_tenant uuid DEFAULT NULL)
    RETURNS TABLE (tenant_id uuid, status text, counted bigint, actual bigint, created_seconds numeric)
    LANGUAGE plpgsql VOLATILE
    AS $$
#variable_conflict use_column
BEGIN
    -- Two repairs at once would both find the same drift, and both add it. Each statement below has a newer snapshot.
    PERFORM pg_advisory_xact_lock(hashtextextended('leads.statistics.repair', 0));
    RETURN QUERY
        WITH drift AS (
            SELECT tenant_id, status, SUM(counted)::bigint AS counted, SUM(actual)::bigint AS actual,
                   SUM(created_seconds) AS created_seconds
            FROM (SELECT tenant_id, status, leads AS counted, 0 AS actual, -created_seconds AS created_seconds
                  FROM lead_statistics
                  WHERE only_tenant IS NULL OR tenant_id = only_tenant
                  UNION ALL
                  SELECT tenant_id, status, 0, COUNT(*), SUM(EXTRACT(epoch FROM created_at))
                  FROM leads
                  WHERE only_tenant IS NULL OR tenant_id = only_tenant
                  GROUP BY tenant_id, status) AS both_sides
            GROUP BY tenant_id, status
            HAVING SUM(counted) <> SUM(actual) OR SUM(created_seconds) <> 0
        ), repaired AS (
            INSERT INTO lead_statistics AS known
            SELECT tenant_id, status, -1, actual - counted, created_seconds FROM drift
            ON CONFLICT ON CONSTRAINT lead_statistics_pkey DO UPDATE
            SET leads = known.leads + EXCLUDED.leads,
                created_seconds = known.created_seconds + EXCLUDED.created_seconds
        )
        SELECT tenant_id, status, counted, actual, created_seconds FROM drift ORDER BY tenant_id, status;
END
$$;
REVOKE EXECUTE ON FUNCTION repair_lead_statistics FROM PUBLIC;
GRANT EXECUTE ON FUNCTION repair_lead_statistics TO fairlead_system;

-- The leads that were there before any was counted. A step of its own: the one before holds up writers while it makes
-- the triggers, this one holds up nobody.
SELECT COUNT(*) FROM repair_lead_statistics();
