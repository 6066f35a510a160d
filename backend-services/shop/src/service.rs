//! The services: their names, their options, and the ports they have in the demo.

use std::net::{Ipv4Addr, SocketAddr};

use chassis::{Running, Settings};
use clap::{Parser, Subcommand};

/// A service with its options: `shop run order --listen …`.
#[derive(Debug, Clone, Subcommand)]
#[command(
    subcommand_value_name = "SERVICE",
    subcommand_help_heading = "Services"
)]
pub(crate) enum ServiceCommand {
    /// Tells who runs where: leases, health, watch.
    #[command(after_help = "Example:\n  shop run registry --listen 127.0.0.1:7000")]
    Registry(registry::Options),
    /// Signs people in: an OpenID provider for development.
    #[command(after_help = "\
Examples:
  shop run identity --listen 127.0.0.1:7003
  shop run identity --issuer https://localhost:9000/identity \\
      --redirect-uri https://localhost:9000/web/callback")]
    Identity(Box<identity::Options>),
    /// The monolith: SOAP, old HTML pages, old REST-like URIs.
    #[command(after_help = "Example:\n  shop run legacy-shop --listen 127.0.0.1:7001")]
    LegacyShop(Box<legacy_shop::Options>),
    /// Translates REST to the monolith's SOAP.
    #[command(after_help = "Example:\n  shop run legacy-adapter --listen 127.0.0.1:7002")]
    LegacyAdapter(Box<legacy_adapter::Options>),
    /// Customers and their credit.
    #[command(after_help = "Example:\n  shop run customer --listen 127.0.0.1:7004")]
    Customer(customer::Options),
    /// Products and prices.
    #[command(after_help = "\
Example, two instances that share their load:
  shop run catalog --listen 127.0.0.1:7005 --registry http://127.0.0.1:7000
  shop run catalog --listen 127.0.0.1:7006 --registry http://127.0.0.1:7000")]
    Catalog(catalog::Options),
    /// Takes orders.
    #[command(after_help = "\
Example:
  shop run order --listen 127.0.0.1:7007 --registry http://127.0.0.1:7000")]
    Order(Box<order::Options>),
    /// Stock and reservations.
    #[command(after_help = "Example:\n  shop run inventory --listen 127.0.0.1:7008")]
    Inventory(inventory::Options),
}

/// Every service by name, with its port in the demo, in an order in which they can start.
const SERVICES: [(&str, u16); 8] = [
    ("registry", 7000),
    ("legacy-shop", 7001),
    ("legacy-adapter", 7002),
    ("identity", 7003),
    ("customer", 7004),
    ("catalog", 7005),
    ("inventory", 7008),
    ("order", 7007),
];

/// The names, for messages.
pub(crate) fn names() -> String {
    SERVICES.map(|(name, _)| name).join(", ")
}

/// Where a service listens in the demo; `None` if there is no such service.
pub(crate) fn demo_address(name: &str) -> Option<SocketAddr> {
    let (_, port) = SERVICES.into_iter().find(|(known, _)| *known == name)?;
    Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// The place of a service among those that start together: the registry first, and what is called
/// before who calls it.
pub(crate) fn start_order(name: &str) -> usize {
    SERVICES
        .iter()
        .position(|(known, _)| *known == name)
        .unwrap_or(SERVICES.len())
}

/// A command line of one service, for those that are written by `shop up`.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, name = "shop up")]
struct Alone {
    #[command(subcommand)]
    service: ServiceCommand,
}

impl ServiceCommand {
    /// Reads what stands after `shop run`.
    pub(crate) fn parse<I, T>(arguments: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<std::ffi::OsString> + Clone,
    {
        Alone::try_parse_from(arguments).map(|alone| alone.service)
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Registry(_) => "registry",
            Self::Identity(_) => "identity",
            Self::LegacyShop(_) => "legacy-shop",
            Self::LegacyAdapter(_) => "legacy-adapter",
            Self::Customer(_) => "customer",
            Self::Catalog(_) => "catalog",
            Self::Order(_) => "order",
            Self::Inventory(_) => "inventory",
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        match self {
            Self::Registry(options) => &options.service,
            Self::Identity(options) => &options.service,
            Self::LegacyShop(options) => &options.service,
            Self::LegacyAdapter(options) => &options.service,
            Self::Customer(options) => &options.service,
            Self::Catalog(options) => &options.service,
            Self::Order(options) => &options.service,
            Self::Inventory(options) => &options.service,
        }
    }

    /// Starts the service.
    pub(crate) async fn start(self) -> anyhow::Result<Running> {
        // In boxes: the futures of all services would all count for the size of this one.
        match self {
            Self::Registry(options) => Box::pin(registry::start(options)).await,
            Self::Identity(options) => Box::pin(identity::start(*options)).await,
            Self::LegacyShop(options) => Box::pin(legacy_shop::start(*options)).await,
            Self::LegacyAdapter(options) => Box::pin(legacy_adapter::start(*options)).await,
            Self::Customer(options) => Box::pin(customer::start(options)).await,
            Self::Catalog(options) => Box::pin(catalog::start(options)).await,
            Self::Order(options) => Box::pin(order::start(*options)).await,
            Self::Inventory(options) => Box::pin(inventory::start(options)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_a_subcommand_and_a_port_of_its_own() {
        let mut ports: Vec<_> = SERVICES.iter().map(|(_, port)| port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), SERVICES.len());
        for (name, _) in SERVICES {
            assert_eq!(ServiceCommand::parse([name]).unwrap().name(), name);
        }
        let subcommands = <Alone as clap::CommandFactory>::command()
            .get_subcommands()
            .count();
        assert_eq!(subcommands, SERVICES.len());
    }
}
