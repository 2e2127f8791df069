-- Nobody creates objects here but the owner.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO fairlead_app, fairlead_system;

-- All three are trusted extensions: the owner of the database may create them.
CREATE EXTENSION IF NOT EXISTS btree_gin;
CREATE EXTENSION IF NOT EXISTS unaccent;

-- Words as they are written, without accents. No stemming: people and companies are names, `english` would drop
-- "Will" as a stop word and break prefixes ("runni" is not a prefix of the stem "run").
CREATE TEXT SEARCH CONFIGURATION fairlead_names (COPY = simple);
ALTER TEXT SEARCH CONFIGURATION fairlead_names
    ALTER MAPPING FOR asciihword, asciiword, hword, hword_asciipart, hword_numpart, hword_part, numhword, numword, word
    WITH unaccent, simple;

-- The tenant of this transaction, or NULL. A transaction-local setting reads back as '' once the transaction is
-- over, hence NULLIF. Anything but a UUID is an error, not a tenant.
CREATE FUNCTION current_tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN NULLIF(current_setting('app.current_tenant', true), '')::uuid;

-- Makes `name` a tenant table: rows of other tenants do not exist for the application role, and the system role
-- sees all. Forced, so that ownership alone shows nobody a row; the owner, which may become the system role, sees what
-- that one sees. The sub-select makes the setting an init plan: read once per statement, not once per row.
CREATE PROCEDURE protect_tenant_table(name regclass) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON %s TO fairlead_app USING (tenant_id = (SELECT current_tenant()))', name);
    EXECUTE format('CREATE POLICY system ON %s TO fairlead_system USING (true)', name);
END
$$;
REVOKE EXECUTE ON PROCEDURE protect_tenant_table FROM PUBLIC;
