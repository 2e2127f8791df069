//! Reading leads from files.
