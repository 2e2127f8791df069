-- What the calls of tenants to language models have taken. A row is written before its call, with the most that it may
-- take, and counts so until it is settled: also when the process ends in between, because the provider may have done its
-- part.
CREATE TABLE ai_calls (
    tenant_id       UUID NOT NULL,
    id              UUID NOT NULL,
    purpose         TEXT NOT NULL,
    model           TEXT NOT NULL,
    settled         BOOLEAN NOT NULL DEFAULT false,
    input_tokens    BIGINT NOT NULL,
    output_tokens   BIGINT NOT NULL,
    cost_micros     BIGINT NOT NULL,                -- in millionths of the currency of the provider's bill
    called_at       TIMESTAMPTZ NOT NULL,
    CONSTRAINT ai_calls_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT ai_calls_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) ON DELETE CASCADE
);
-- What a month has taken, told by the index alone.
CREATE INDEX ai_calls_month ON ai_calls (tenant_id, called_at) INCLUDE (input_tokens, output_tokens, cost_micros);
CALL protect_tenant_table('ai_calls');
GRANT SELECT, INSERT, UPDATE (settled, input_tokens, output_tokens, cost_micros) ON ai_calls TO fairlead_app;
GRANT SELECT ON ai_calls TO fairlead_system;
