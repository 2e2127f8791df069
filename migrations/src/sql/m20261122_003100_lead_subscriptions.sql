-- That leads have consented to be written to, and whether the marketing service knows.
CREATE TABLE lead_subscriptions (
    tenant_id       UUID NOT NULL,
    id              UUID NOT NULL,
    lead_id         UUID NOT NULL,
    email           TEXT NOT NULL,                  -- as it was when the lead consented
    tags            TEXT[] NOT NULL,
    state           TEXT NOT NULL CONSTRAINT lead_subscriptions_state CHECK (state IN ('PENDING', 'DONE', 'FAILED')),
    consent_by      TEXT NOT NULL,                  -- who says so
    fault           TEXT,
    created_at      TIMESTAMPTZ NOT NULL,
    CONSTRAINT lead_subscriptions_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT lead_subscriptions_lead FOREIGN KEY (tenant_id, lead_id) REFERENCES leads (tenant_id, id) ON DELETE CASCADE
);
-- Of a lead that is deleted.
CREATE INDEX lead_subscriptions_of_lead ON lead_subscriptions (tenant_id, lead_id);
CALL protect_tenant_table('lead_subscriptions');
GRANT SELECT, INSERT, UPDATE (state, fault) ON lead_subscriptions TO fairlead_app;
