-- GET /events: a tenant's log in commit order, and where it ends.
CREATE INDEX events_tenant_cursor ON events (tenant_id, xid, position);
-- The log of all tenants, for the platform's own readers. An expression that says the same, because a reader of one
-- tenant must not be planned through the events of all others: it would be, where one tenant has most of them, and
-- would read whatever others have done since it did something itself.
DROP INDEX events_cursor;
CREATE INDEX events_cursor ON events ((GREATEST(xid, xid)), position);
