//! The proxies we are measured beside, each with the settings that its own manual calls fast: as many
//! workers as ours, upstream connections kept, an access log to a file, metrics where it has them.

pub(super) mod nginx;
pub(super) mod haproxy;
pub(super) mod envoy;
pub(super) mod traefik;
pub(super) mod caddy;
