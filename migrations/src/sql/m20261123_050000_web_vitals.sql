-- What browsers have measured of pages, for the tenant whose users looked at them: a sketch by page, figure and process, of
-- hours (grain 1), and of days (2) once two days are over.
CREATE TABLE web_vitals (
    tenant_id             UUID NOT NULL,
    grain                 INT NOT NULL CONSTRAINT web_vitals_grain CHECK (grain IN (1, 2)),
    at                    TIMESTAMPTZ NOT NULL,     -- when the hour or the day began
    page                  TEXT NOT NULL,            -- its path, with `:id` for what names one of many; `*` of others
    vital                 TEXT NOT NULL CONSTRAINT web_vitals_vital
                              CHECK (vital IN ('LCP', 'INP', 'CLS', 'FCP', 'TTFB', 'FID')),
    process               TEXT NOT NULL,            -- '' of what was several processes'
    sketch                BYTEA NOT NULL,
    slowest_micros        BIGINT,                   -- the worst view that has named its request
    slowest_request       TEXT,
    slowest_trace         TEXT,                     -- of that request, if it was kept, with the time of the server
    slowest_server_micros BIGINT,
    CONSTRAINT web_vitals_pkey PRIMARY KEY (tenant_id, grain, at, page, vital, process),
    CONSTRAINT web_vitals_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) ON DELETE CASCADE
);
-- Housekeeping makes days of hours, and clears what is old.
CREATE INDEX web_vitals_ages ON web_vitals (grain, at);
CALL protect_tenant_table('web_vitals');
GRANT SELECT ON web_vitals TO fairlead_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON web_vitals TO fairlead_system;
