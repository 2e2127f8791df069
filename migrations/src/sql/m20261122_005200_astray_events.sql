-- Events in no month are dropped when they are old, as months are. They alone are deleted row by row, by the platform.
CREATE POLICY system ON events_default TO fairlead_system USING (true);
GRANT SELECT (tenant_id, id), DELETE ON events_default TO fairlead_system;
