-- Operators list the newest dead letters of a queue, of which there are few among all that is finished. Built while others
-- write: every job that is enqueued would wait for it.
CREATE INDEX CONCURRENTLY jobs_dead ON jobs (queue, id) WHERE state = 'dead';
