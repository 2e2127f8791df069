-- How a user proves who it is. The application role can put a row here but never read a hash back.
CREATE TABLE credentials (
    tenant_id               UUID NOT NULL,
    user_id                 UUID NOT NULL,
    email                   TEXT NOT NULL,          -- as users.email; login knows no tenant yet
    password_hash           TEXT,                   -- argon2id in PHC form; NULL until an invitation is accepted
    can_log_in              BOOLEAN GENERATED ALWAYS AS (password_hash IS NOT NULL) STORED,
    invitation_hash         BYTEA,                  -- SHA-256 of the invitation token
    invitation_expires_at   TIMESTAMPTZ,
    last_login_at           TIMESTAMPTZ,
    CONSTRAINT credentials_pkey PRIMARY KEY (tenant_id, user_id),
    CONSTRAINT credentials_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
-- Login finds an account by e-mail address before any tenant is known; fairlead_system alone may read it.
CREATE INDEX credentials_email ON credentials (email);
CALL protect_tenant_table('credentials');
GRANT INSERT, SELECT (tenant_id, user_id, can_log_in) ON credentials TO fairlead_app;
GRANT SELECT, INSERT, UPDATE ON credentials TO fairlead_system;

CREATE TABLE sessions (
    tenant_id       UUID NOT NULL,
    id              UUID NOT NULL,                  -- also names the family of refresh tokens
    user_id         UUID NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    last_used_at    TIMESTAMPTZ NOT NULL,
    expires_at      TIMESTAMPTZ NOT NULL,
    revoked_at      TIMESTAMPTZ,
    revoked_reason  TEXT CONSTRAINT sessions_revoked_reason
                    CHECK (revoked_reason IN ('LOGOUT', 'REUSE', 'DEACTIVATED', 'ROLE_CHANGED', 'PASSWORD_CHANGED')),
    CONSTRAINT sessions_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT sessions_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT sessions_revoked CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
);
-- Deactivating a user ends its sessions.
CREATE INDEX sessions_of_user ON sessions (tenant_id, user_id) WHERE revoked_at IS NULL;
-- Cleared by age, of all tenants.
CREATE INDEX sessions_expiry ON sessions (expires_at);
CALL protect_tenant_table('sessions');
GRANT SELECT, UPDATE (revoked_at, revoked_reason) ON sessions TO fairlead_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO fairlead_system;

-- Every refresh token ever issued to a living session: one that comes back after its use was stolen.
CREATE TABLE refresh_tokens (
    tenant_id   UUID NOT NULL,
    id          UUID NOT NULL,
    session_id  UUID NOT NULL,
    token_hash  BYTEA NOT NULL,                     -- SHA-256
    issued_at   TIMESTAMPTZ NOT NULL,
    used_at     TIMESTAMPTZ,
    CONSTRAINT refresh_tokens_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT refresh_tokens_hash UNIQUE (tenant_id, token_hash),
    CONSTRAINT refresh_tokens_session FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX refresh_tokens_of_session ON refresh_tokens (tenant_id, session_id);
CALL protect_tenant_table('refresh_tokens');
GRANT SELECT, INSERT, UPDATE, DELETE ON refresh_tokens TO fairlead_system;

CREATE TABLE api_keys (
    tenant_id       UUID NOT NULL,
    id              UUID NOT NULL,
    name            TEXT NOT NULL,
    prefix          TEXT NOT NULL,                  -- the first characters of the key, to recognise it by
    secret_hash     BYTEA NOT NULL,                 -- SHA-256; the secret has 256 random bits, so no slow hash is needed
    scopes          TEXT[] NOT NULL,
    created_by      UUID NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    expires_at      TIMESTAMPTZ,
    last_used_at    TIMESTAMPTZ,                    -- to the minute
    revoked_at      TIMESTAMPTZ,
    CONSTRAINT api_keys_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT api_keys_creator FOREIGN KEY (tenant_id, created_by) REFERENCES users (tenant_id, id)
);
CREATE INDEX api_keys_created ON api_keys (tenant_id, created_at DESC, id DESC);
CALL protect_tenant_table('api_keys');
GRANT SELECT, INSERT, UPDATE (revoked_at) ON api_keys TO fairlead_app;
GRANT SELECT, INSERT, UPDATE ON api_keys TO fairlead_system;

-- Access tokens that are refused before they expire; each process reads this list and keeps it in memory.
CREATE TABLE revocations (
    tenant_id   UUID NOT NULL,
    id          UUID NOT NULL,
    session_id  UUID NOT NULL,
    expires_at  TIMESTAMPTZ NOT NULL,               -- when the last access token of the session is over anyway
    CONSTRAINT revocations_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT revocations_session FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX revocations_of_session ON revocations (tenant_id, session_id);
-- Read by every process for all tenants, and cleared by age.
CREATE INDEX revocations_expiry ON revocations (expires_at);
CALL protect_tenant_table('revocations');
GRANT INSERT ON revocations TO fairlead_app;
GRANT SELECT, INSERT, DELETE ON revocations TO fairlead_system;

-- Platform tables: no tenant, and nothing for the application role.
CREATE TABLE operators (
    id              UUID NOT NULL CONSTRAINT operators_pkey PRIMARY KEY,
    name            TEXT NOT NULL CONSTRAINT operators_name UNIQUE,
    secret_hash     BYTEA NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    expires_at      TIMESTAMPTZ,
    revoked_at      TIMESTAMPTZ
);
GRANT SELECT, INSERT, UPDATE ON operators TO fairlead_system;

-- Failed logins by account and by address. `key` is a keyed hash: no address or e-mail is stored.
CREATE TABLE login_failures (
    key             BYTEA NOT NULL CONSTRAINT login_failures_pkey PRIMARY KEY,
    failures        INT NOT NULL,
    window_ends_at  TIMESTAMPTZ NOT NULL,
    locked_until    TIMESTAMPTZ
);
CREATE INDEX login_failures_expiry ON login_failures (window_ends_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON login_failures TO fairlead_system;
