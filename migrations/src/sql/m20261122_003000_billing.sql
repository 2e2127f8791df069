-- Who tenants are to the payment provider.
CREATE TABLE billing_customers (
    tenant_id       UUID NOT NULL,
    id              UUID NOT NULL,                  -- the tenant's
    provider_id     TEXT NOT NULL CONSTRAINT billing_customers_provider_id CHECK (char_length(provider_id) <= 255),
    syncs_wanted    BIGINT NOT NULL DEFAULT 0,      -- how often there was a reason to ask for the subscription
    created_at      TIMESTAMPTZ NOT NULL,
    CONSTRAINT billing_customers_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT billing_customers_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) ON DELETE CASCADE,
    CONSTRAINT billing_customers_one CHECK (id = tenant_id)
);
-- What the provider tells names its customer alone; no two tenants are the same one.
CREATE UNIQUE INDEX billing_customers_provider ON billing_customers (provider_id);
CALL protect_tenant_table('billing_customers');
GRANT SELECT, INSERT, UPDATE (syncs_wanted) ON billing_customers TO fairlead_app;
GRANT SELECT (tenant_id, provider_id) ON billing_customers TO fairlead_system;

-- What is asked of the payment provider. A row is there before its call, and its id is the key by which the provider knows
-- the call again; so what it asks for never changes.
CREATE TABLE payment_requests (
    tenant_id       UUID NOT NULL,
    id              UUID NOT NULL,
    kind            TEXT NOT NULL CONSTRAINT payment_requests_kind CHECK (kind IN ('CHECKOUT', 'REFUND')),
    reference       TEXT,                           -- tells a refund from others; NULL: a checkout
    requested       JSONB NOT NULL,
    state           TEXT NOT NULL CONSTRAINT payment_requests_state
                    CHECK (state IN ('PENDING', 'DONE', 'REFUSED', 'UNKNOWN', 'CLOSED')),
    provider_id     TEXT,                           -- of what has come of it
    url             TEXT,                           -- where to pay
    valid_until     TIMESTAMPTZ,                    -- until when one can pay there
    attempts        INT NOT NULL DEFAULT 0,
    fault           TEXT,                           -- what the last attempt came to, if to nothing
    created_at      TIMESTAMPTZ NOT NULL,
    CONSTRAINT payment_requests_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT payment_requests_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) ON DELETE CASCADE,
    CONSTRAINT payment_requests_done CHECK (state <> 'DONE' OR provider_id IS NOT NULL)
);
-- Nobody is to pay on two pages.
CREATE UNIQUE INDEX payment_requests_checkout ON payment_requests (tenant_id)
    WHERE kind = 'CHECKOUT' AND state IN ('PENDING', 'DONE');
CREATE UNIQUE INDEX payment_requests_reference ON payment_requests (tenant_id, kind, reference)
    WHERE reference IS NOT NULL;
CALL protect_tenant_table('payment_requests');
GRANT SELECT, INSERT, UPDATE (state, provider_id, url, valid_until, attempts, fault) ON payment_requests TO fairlead_app;

-- What tenants have subscribed to, as the provider was last asked.
CREATE TABLE subscriptions (
    tenant_id               UUID NOT NULL,
    id                      UUID NOT NULL,          -- the tenant's
    provider_id             TEXT NOT NULL,
    plan                    TEXT CONSTRAINT subscriptions_plan CHECK (plan IN ('TEAM', 'BUSINESS')),
    status                  TEXT NOT NULL CONSTRAINT subscriptions_status
                            CHECK (status IN ('TRIALING', 'ACTIVE', 'PAST_DUE', 'UNPAID', 'PAUSED', 'INCOMPLETE',
                                              'INCOMPLETE_EXPIRED', 'CANCELED')),
    current_period_end      TIMESTAMPTZ,
    cancel_at_period_end    BOOLEAN NOT NULL,
    updated_at              TIMESTAMPTZ NOT NULL,
    CONSTRAINT subscriptions_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT subscriptions_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) ON DELETE CASCADE,
    CONSTRAINT subscriptions_one CHECK (id = tenant_id)
);
CALL protect_tenant_table('subscriptions');
GRANT SELECT, INSERT, UPDATE ON subscriptions TO fairlead_app;

-- What the payment provider has told. It tells again what it takes not to have arrived, for three days.
CREATE TABLE billing_events (
    tenant_id       UUID NOT NULL,
    id              TEXT NOT NULL CONSTRAINT billing_events_id CHECK (char_length(id) <= 255),  -- the provider's
    type            TEXT NOT NULL,
    received_at     TIMESTAMPTZ NOT NULL,
    CONSTRAINT billing_events_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT billing_events_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) ON DELETE CASCADE
);
-- Cleared by age, of all tenants.
CREATE INDEX billing_events_received ON billing_events (received_at);
CALL protect_tenant_table('billing_events');
GRANT SELECT, INSERT ON billing_events TO fairlead_app;
GRANT SELECT (tenant_id, id, received_at), DELETE ON billing_events TO fairlead_system;
