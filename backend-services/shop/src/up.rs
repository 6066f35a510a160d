//! `shop up`: several services in one process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context as _;

use crate::service::{ServiceCommand, demo_address, names, start_order};

const EXAMPLES: &str = "\
Without an address a service listens on its port in the demo. If the registry is among the services,
the others register in it; if the monolith is, the adapter calls it.

Examples:
  shop up registry catalog inventory order
  shop up registry=127.0.0.1:9000 catalog=127.0.0.1:0 catalog=127.0.0.1:0
  shop up customer order --registry http://127.0.0.1:7000 --data-dir target/data";

/// The command line of `shop up`. What is not said here is as `shop run SERVICE` has it by default.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UpOptions {
    /// What to run, and where if not on its port in the demo.
    #[arg(value_name = "SERVICE[=ADDR]", required = true)]
    services: Vec<Spec>,
    /// Folder for the services' files.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data_dir: PathBuf,
    /// Registry to register in and to find others by.
    #[arg(long, value_name = "URL", env = "BANYAN_REGISTRY")]
    registry: Option<String>,
    /// Where these instances run, for balancing.
    #[arg(long, value_name = "NAME")]
    zone: Option<String>,
    /// Stop when standard input ends: for launchers, whose death ends the services too.
    #[arg(long)]
    supervised: bool,
}

/// A service and its address: `catalog` or `catalog=127.0.0.1:7006`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spec {
    name: String,
    address: SocketAddr,
}

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, address) = match text.split_once('=') {
            Some((name, address)) => (name, Some(address)),
            None => (text, None),
        };
        let default = demo_address(name)
            .ok_or_else(|| format!("there is no service `{name}`; write one of {}", names()))?;
        let address = match address {
            None => default,
            Some(address) => address
                .parse()
                .map_err(|_| format!("`{address}` is no address; write {default}, say"))?,
        };
        Ok(Self {
            name: name.to_owned(),
            address,
        })
    }
}

impl UpOptions {
    /// The services in the order in which they start.
    ///
    /// # Errors
    /// Two services are to listen on one address.
    pub(crate) fn services(mut self) -> anyhow::Result<Vec<ServiceCommand>> {
        // Stable: instances of one service stay as they were written.
        self.services.sort_by_key(|spec| start_order(&spec.name));
        self.check_addresses()?;
        let registry = self.registry()?;
        self.services
            .iter()
            .map(|spec| {
                let arguments = self.arguments(spec, registry.as_deref());
                ServiceCommand::parse(arguments)
                    .with_context(|| format!("the settings of {} do not fit", spec.name))
            })
            .collect()
    }

    fn check_addresses(&self) -> anyhow::Result<()> {
        let mut taken: Vec<&Spec> = Vec::new();
        for spec in self.services.iter().filter(|spec| spec.address.port() != 0) {
            if let Some(other) = taken.iter().find(|other| other.address == spec.address) {
                anyhow::bail!(
                    "{} and {} cannot both listen on {}: write {}=ADDR",
                    other.name,
                    spec.name,
                    spec.address,
                    spec.name,
                );
            }
            taken.push(spec);
        }
        Ok(())
    }

    /// The registry that is given, or else the one that starts here.
    fn registry(&self) -> anyhow::Result<Option<String>> {
        let own = self.services.iter().find(|spec| spec.name == "registry");
        match (&self.registry, own) {
            (Some(url), _) => Ok(Some(url.clone())),
            (None, Some(spec)) if spec.address.port() == 0 && self.services.len() > 1 => {
                anyhow::bail!("the others must know the registry's port: write registry=ADDR:PORT")
            }
            (None, Some(spec)) => Ok(Some(format!("http://{}", spec.address))),
            (None, None) => Ok(None),
        }
    }

    /// The monolith that starts here, for the adapter in front of it.
    fn monolith(&self) -> Option<String> {
        let own = self
            .services
            .iter()
            .find(|spec| spec.name == "legacy-shop")?;
        (own.address.port() != 0).then(|| format!("http://{}", own.address))
    }

    /// What one would write after `shop run` for this service.
    fn arguments(&self, spec: &Spec, registry: Option<&str>) -> Vec<std::ffi::OsString> {
        let mut arguments = vec![
            spec.name.clone().into(),
            "--listen".into(),
            spec.address.to_string().into(),
            "--data-dir".into(),
            self.data_dir.clone().into(),
        ];
        let monolith = self.monolith().filter(|_| spec.name == "legacy-adapter");
        for (option, value) in [
            ("--registry", registry),
            ("--zone", self.zone.as_deref()),
            ("--legacy-url", monolith.as_deref()),
        ] {
            if let Some(value) = value {
                arguments.extend([option.into(), value.into()]);
            }
        }
        if self.supervised {
            arguments.push("--supervised".into());
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        up: UpOptions,
    }

    #[track_caller]
    fn services(arguments: &[&str]) -> anyhow::Result<Vec<ServiceCommand>> {
        let line = ["up"].iter().chain(arguments);
        Line::try_parse_from(line)?.up.services()
    }

    #[test]
    fn the_registry_starts_first_and_the_others_register_in_it() {
        let services = services(&["order", "catalog=127.0.0.1:0", "registry"]).unwrap();
        let names: Vec<_> = services.iter().map(ServiceCommand::name).collect();
        assert_eq!(names, ["registry", "catalog", "order"]);
        let order = services[2].settings();
        assert_eq!(order.listen.to_string(), "127.0.0.1:7007");
        assert_eq!(order.registry.as_deref(), Some("http://127.0.0.1:7000"));
        assert_eq!(services[1].settings().listen.port(), 0);
    }

    #[test]
    fn the_adapter_calls_the_monolith_that_starts_with_it() {
        let services = services(&["legacy-adapter", "legacy-shop=127.0.0.1:9001"]).unwrap();
        let [_, ServiceCommand::LegacyAdapter(adapter)] = services.as_slice() else {
            panic!("the monolith, then the adapter: {services:?}");
        };
        assert_eq!(adapter.legacy_url, "http://127.0.0.1:9001");
    }

    #[test]
    fn what_is_given_reaches_every_service() {
        let services = services(&[
            "customer",
            "order",
            "--data-dir",
            "d",
            "--zone",
            "z",
            "--supervised",
        ])
        .unwrap();
        for service in &services {
            let settings = service.settings();
            assert_eq!(settings.data_dir.to_str(), Some("d"));
            assert_eq!(settings.zone.as_deref(), Some("z"));
            assert!(settings.supervised);
        }
    }

    #[test]
    fn two_instances_on_one_address_are_an_error_that_says_what_to_write() {
        let error = services(&["catalog", "catalog"]).unwrap_err().to_string();
        assert!(
            error.contains("127.0.0.1:7005") && error.contains("catalog=ADDR"),
            "{error}"
        );
        assert!(services(&["catalog", "catalog=127.0.0.1:0", "catalog=127.0.0.1:0"]).is_ok());
    }

    #[test]
    fn a_registry_on_a_free_port_is_of_no_use_to_others() {
        let error = services(&["registry=127.0.0.1:0", "order"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("registry=ADDR:PORT"), "{error}");
        assert!(services(&["registry=127.0.0.1:0"]).is_ok());
    }

    #[test]
    fn an_unknown_service_and_a_bad_address_name_what_would_do() {
        let error = services(&["ordr"]).unwrap_err().to_string();
        assert!(
            error.contains("`ordr`") && error.contains("legacy-shop"),
            "{error}"
        );
        let error = services(&["order=7007"]).unwrap_err().to_string();
        assert!(
            error.contains("`7007`") && error.contains("127.0.0.1:7007"),
            "{error}"
        );
    }
}
