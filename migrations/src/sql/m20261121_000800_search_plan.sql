-- PL/pgSQL keeps a plan that fits any search once it has run five times. Of an unknown text that plan expects many
-- matches, of which it hopes to meet the wanted ones early: until the table is analysed it reads leads in their order,
-- and for a rare word all of the tenant's (0.8 s of 300,000 leads, where the index takes 2 ms). So each search gets a
-- plan of its own, and the paths that read in order are left out of it.
ALTER FUNCTION search_leads SET plan_cache_mode = 'force_custom_plan';
ALTER FUNCTION search_leads SET enable_seqscan = off;
ALTER FUNCTION search_leads SET enable_indexscan = off;
