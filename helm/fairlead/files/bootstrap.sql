-- What `fairlead bootstrap-sql` prints, for psql: passwords come from the environment. A test compares.
\getenv owner_password FAIRLEAD_BOOTSTRAP_OWNER_PASSWORD
\getenv app_password FAIRLEAD_BOOTSTRAP_APP_PASSWORD
\getenv system_password FAIRLEAD_BOOTSTRAP_SYSTEM_PASSWORD

-- The three roles of Fairlead, made once per cluster by a superuser. Everything else is done by the owner.
-- The passwords are filled in as quoted literals.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fairlead_owner') THEN CREATE ROLE fairlead_owner; END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fairlead_app') THEN CREATE ROLE fairlead_app; END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fairlead_system') THEN CREATE ROLE fairlead_system; END IF;
END
$$;

-- Owns the schema and migrates it; no request ever runs as this role.
ALTER ROLE fairlead_owner LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOREPLICATION PASSWORD :'owner_password';
-- Runs requests: row-level security binds it, and it owns nothing.
ALTER ROLE fairlead_app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'app_password';
-- Runs what is rightly cross-tenant, under policies of its own.
ALTER ROLE fairlead_system LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'system_password';

-- The owner hands functions over to the system role, which takes membership in it.
GRANT fairlead_system TO fairlead_owner;
-- Sizes, statistics and the names of those who hold a lock.
GRANT pg_monitor TO fairlead_system;

-- A transaction that waits for its client holds back vacuum and the event horizon.
ALTER ROLE fairlead_app SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE fairlead_system SET idle_in_transaction_session_timeout = '30s';

-- CREATE DATABASE knows no IF NOT EXISTS; \gexec is psql's.
SELECT 'CREATE DATABASE fairlead OWNER fairlead_owner'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'fairlead') \gexec
