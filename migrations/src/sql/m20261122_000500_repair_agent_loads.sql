-- Compares what agents are said to hold with the leads of one tenant, or of all, mends it and returns what was wrong.
--
-- Whoever gives an agent a lead, or takes one away, changes its load in the same transaction. So once an agent's row is
-- locked, whoever has changed both is committed, and whoever has changed a lead alone is not: what is counted by the next
-- statement, in a newer snapshot, is what the load has to be before that one adds to it. Who assigns leads to these agents
-- waits until the repair is committed.
CREATE FUNCTION repair_agent_loads(only_tenant uuid DEFAULT NULL)
    RETURNS TABLE (tenant_id uuid, id uuid, counted int, actual bigint)
    LANGUAGE plpgsql VOLATILE
    AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM users
    WHERE (only_tenant IS NULL OR tenant_id = only_tenant) AND (is_agent OR open_leads > 0)
    ORDER BY tenant_id, id
    FOR NO KEY UPDATE;
    RETURN QUERY
        WITH held AS (
            SELECT tenant_id, assigned_to AS id, COUNT(*) AS leads
            FROM leads
            WHERE (only_tenant IS NULL OR tenant_id = only_tenant) AND assigned_to IS NOT NULL AND status <> 'CLOSED'
            GROUP BY tenant_id, assigned_to
        ), drift AS (
            SELECT u.tenant_id, u.id, u.open_leads AS counted, COALESCE(held.leads, 0) AS actual
            FROM users AS u LEFT JOIN held ON held.tenant_id = u.tenant_id AND held.id = u.id
            WHERE (only_tenant IS NULL OR u.tenant_id = only_tenant) AND (u.is_agent OR u.open_leads > 0)
              AND u.open_leads <> COALESCE(held.leads, 0)
        ), mended AS (
            UPDATE users AS u SET open_leads = drift.actual
            FROM drift WHERE u.tenant_id = drift.tenant_id AND u.id = drift.id
        )
        SELECT tenant_id, id, counted, actual FROM drift ORDER BY tenant_id, id;
END
$$;
REVOKE EXECUTE ON FUNCTION repair_agent_loads FROM PUBLIC;
GRANT EXECUTE ON FUNCTION repair_agent_loads TO fairlead_system;
