-- An event that was put aside is handled after all.
GRANT UPDATE (fault, handled_at) ON inbox TO fairlead_app;
