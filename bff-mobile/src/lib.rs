//! Backend for the apps.
