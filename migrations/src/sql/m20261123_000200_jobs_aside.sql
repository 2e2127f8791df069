-- A handler has a job stand aside, which its priority tells.
GRANT UPDATE (priority) ON jobs TO fairlead_app;
