-- How much each plan allows, as the configuration says: servers write it when they start. NULL, or no row: any number.
CREATE TABLE plan_limits (
    plan        TEXT NOT NULL CONSTRAINT plan_limits_plan CHECK (plan IN ('FREE', 'TEAM', 'BUSINESS')),
    max_leads   BIGINT CONSTRAINT plan_limits_leads CHECK (max_leads >= 0),
    max_users   BIGINT CONSTRAINT plan_limits_users CHECK (max_users >= 1),
    CONSTRAINT plan_limits_pkey PRIMARY KEY (plan)
);
GRANT SELECT, INSERT, UPDATE ON plan_limits TO fairlead_system;
GRANT SELECT (tenant_id, plan, status) ON subscriptions TO fairlead_system;

-- The plan in force: the one that is subscribed to, while it is paid or about to be.
CREATE FUNCTION plan_of(tenant uuid) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, public, pg_temp
    RETURN COALESCE((SELECT plan FROM subscriptions
                     WHERE tenant_id = tenant AND status IN ('TRIALING', 'ACTIVE', 'PAST_DUE')), 'FREE');
REVOKE EXECUTE ON FUNCTION plan_of FROM PUBLIC;

-- Refuses leads beyond the plan of their tenant, whoever writes them.
--
-- Where the limit is near, writers of the tenant take turns, each until it has ended: then all that were before are
-- seen, because each statement here has a newer snapshot than the one before. Far from it they do not: a hundred
-- transactions that write a thousand leads each at once stay below it, and whoever takes turns waits for them.
CREATE FUNCTION hold_leads_to_plan() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
DECLARE
    near CONSTANT bigint := 100000;
    tenant uuid;
    their_plan text;
    allowed bigint;
    used bigint;
    new_ones bigint;
    turn bigint;
BEGIN
    -- The usual case, in which no plan has a limit, costs a look at an empty table.
    PERFORM FROM plan_limits WHERE max_leads IS NOT NULL;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    FOR tenant, new_ones IN SELECT tenant_id, COUNT(*) FROM added GROUP BY tenant_id LOOP
        SELECT plan, max_leads INTO their_plan, allowed FROM plan_limits WHERE plan = plan_of(tenant);
        CONTINUE WHEN allowed IS NULL;
        turn := hashtextextended('plan.leads', 0) # uuid_hash_extended(tenant, 0);
        SELECT COALESCE(SUM(leads), 0) INTO used FROM lead_statistics WHERE tenant_id = tenant;
        IF used + near < allowed THEN
            PERFORM pg_advisory_xact_lock_shared(turn);
        ELSE
            PERFORM pg_advisory_xact_lock(turn);
        END IF;
        SELECT COALESCE(SUM(leads), 0) INTO used FROM lead_statistics WHERE tenant_id = tenant;
        IF used > allowed THEN
            RAISE EXCEPTION 'more leads than the plan allows' USING
                ERRCODE = 'FL001',
                CONSTRAINT = format('plan_limit:leads:%s:%s:%s', their_plan, allowed, used - new_ones);
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION hold_leads_to_plan FROM PUBLIC;

-- The same of users who can log in. They are few, and who adds one takes turns anyway.
CREATE FUNCTION hold_users_to_plan() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
DECLARE
    their_plan text;
    allowed bigint;
    used bigint;
BEGIN
    SELECT plan, max_users INTO their_plan, allowed FROM plan_limits WHERE plan = plan_of(NEW.tenant_id);
    IF allowed IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('plan.users', 0) # uuid_hash_extended(NEW.tenant_id, 0));
    SELECT COUNT(*) INTO used FROM users WHERE tenant_id = NEW.tenant_id AND active;
    IF used > allowed THEN
        RAISE EXCEPTION 'more users than the plan allows' USING
            ERRCODE = 'FL001',
            CONSTRAINT = format('plan_limit:users:%s:%s:%s', their_plan, allowed, used - 1);
    END IF;
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION hold_users_to_plan FROM PUBLIC;

GRANT CREATE ON SCHEMA public TO fairlead_system;
ALTER FUNCTION plan_of OWNER TO fairlead_system;
ALTER FUNCTION hold_leads_to_plan OWNER TO fairlead_system;
ALTER FUNCTION hold_users_to_plan OWNER TO fairlead_system;
REVOKE CREATE ON SCHEMA public FROM fairlead_system;

-- Behind `leads_inserted`, by its name: what is added is counted then.
CREATE TRIGGER leads_within_plan AFTER INSERT ON leads
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION hold_leads_to_plan();
CREATE TRIGGER users_within_plan AFTER INSERT ON users
    FOR EACH ROW WHEN (NEW.active) EXECUTE FUNCTION hold_users_to_plan();
CREATE TRIGGER users_back_within_plan AFTER UPDATE ON users
    FOR EACH ROW WHEN (NEW.active AND NOT OLD.active) EXECUTE FUNCTION hold_users_to_plan();
