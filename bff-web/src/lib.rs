//! Backend for the browser.
