-- Events of a month that is about to be dropped, though they are still to be handled, or sent. And deliveries that nobody
-- makes any more.
CREATE INDEX inbox_put_aside ON inbox (id) WHERE fault IS NOT NULL;
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (event_id, id) WHERE state = 'PENDING';
