-- An event that was put aside is handled after all: by a job, which those have from now on that were put aside before.
GRANT UPDATE (fault, handled_at) ON inbox TO fairlead_app;
INSERT INTO jobs (tenant_id, id, queue, kind, payload, unique_key, priority, state)
SELECT tenant_id, gen_random_uuid(), 'maintenance', 'handle-event',
       jsonb_build_object('consumer', consumer, 'event', id), format('handle-event:%s:%s', consumer, id), 100, 'waiting'
FROM inbox
WHERE fault IS NOT NULL;
