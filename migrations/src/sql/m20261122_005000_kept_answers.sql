-- What is kept of an answer besides its status and body: what clients find it again and change it by. The body of one that
-- tells a secret is sealed.
ALTER TABLE idempotency_keys
    ADD COLUMN etag      TEXT,
    ADD COLUMN location  TEXT,
    ADD COLUMN is_sealed BOOLEAN NOT NULL DEFAULT FALSE;
