-- Operators list the newest dead letters of a queue, of which there are few among all that is finished.
CREATE INDEX jobs_dead ON jobs (queue, id) WHERE state = 'dead';
