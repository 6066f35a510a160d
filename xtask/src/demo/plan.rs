//! What runs, with which arguments, and in which order it starts and stops.

use std::path::{Path, PathBuf};

use crate::demo::ports::{self, Ports};

/// The order of stopping: who sends requests stops before who answers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    Edge,
    Bff,
    Service,
    Registry,
}

impl Tier {
    pub(crate) const STOP_ORDER: [Self; 4] = [Self::Edge, Self::Bff, Self::Service, Self::Registry];
}

/// One process of the demo.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// Names its log and pid file.
    pub(crate) name: &'static str,
    pub(crate) binary: &'static str,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(&'static str, String)>,
    /// Answers 200 as soon as the process can do its work.
    pub(crate) ready_url: String,
    /// A process that must be ready before this one starts.
    pub(crate) after: Option<&'static str>,
    pub(crate) tier: Tier,
}

/// Where this demo lives.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) ports: Ports,
    /// Absolute path of the state folder.
    pub(crate) folder: PathBuf,
    /// Absolute path of the route table that the gateway follows.
    pub(crate) routes: PathBuf,
}

impl Site {
    pub(crate) fn issuer(&self) -> String {
        format!("https://localhost:{}/identity", self.ports.edge)
    }

    pub(crate) fn edge(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.ports.edge)
    }

    pub(crate) fn identity(&self) -> String {
        base(self.ports.identity)
    }

    /// All processes, the registry first.
    pub(crate) fn plan(&self) -> Vec<Spec> {
        let ports = &self.ports;
        let legacy = vec!["--legacy-url".to_owned(), base(ports.legacy_shop)];
        let identity = vec![
            "--issuer".to_owned(),
            self.issuer(),
            "--redirect-uri".to_owned(),
            self.edge("/web/callback"),
        ];
        vec![
            self.service("registry", "registry", ports.registry, Vec::new()),
            self.service("legacy-shop", "legacy-shop", ports.legacy_shop, Vec::new()),
            self.service(
                "legacy-adapter",
                "legacy-adapter",
                ports.legacy_adapter,
                legacy,
            ),
            self.service("identity", "identity", ports.identity, identity),
            self.service("customer", "customer", ports.customer, Vec::new()),
            self.service("catalog-1", "catalog", ports.catalog_1, Vec::new()),
            // Both use the service's one database; the first creates it.
            Spec {
                after: Some("catalog-1"),
                ..self.service("catalog-2", "catalog", ports.catalog_2, Vec::new())
            },
            self.service("order", "order", ports.order, Vec::new()),
            self.service("inventory", "inventory", ports.inventory, Vec::new()),
            self.bff_web(),
            self.bff_mobile(),
            self.gateway(),
        ]
    }

    /// One of the services that the `shop` binary runs.
    fn service(&self, name: &'static str, service: &str, port: u16, extra: Vec<String>) -> Spec {
        let is_registry = service == "registry";
        let mut arguments = vec!["run".to_owned(), service.to_owned()];
        arguments.extend(self.chassis(port));
        arguments.extend(extra);
        Spec {
            name,
            binary: "shop",
            arguments,
            environment: Vec::new(),
            ready_url: ready(port),
            after: (!is_registry).then_some("registry"),
            tier: if is_registry {
                Tier::Registry
            } else {
                Tier::Service
            },
        }
    }

    fn bff_web(&self) -> Spec {
        let mut arguments = self.chassis(self.ports.bff_web);
        arguments.extend([
            "--gateway-url".to_owned(),
            base(self.ports.internal),
            "--admin-url".to_owned(),
            base(self.ports.admin),
            "--issuer".to_owned(),
            self.issuer(),
            "--identity-url".to_owned(),
            self.identity(),
        ]);
        bff("bff-web", self.ports.bff_web, arguments)
    }

    fn bff_mobile(&self) -> Spec {
        let mut arguments = self.chassis(self.ports.bff_mobile);
        arguments.extend(["--gateway-url".to_owned(), base(self.ports.internal)]);
        bff("bff-mobile", self.ports.bff_mobile, arguments)
    }

    fn gateway(&self) -> Spec {
        Spec {
            name: "gateway",
            binary: "gateway",
            // Nothing stands before this gateway that would have to notice that it leaves.
            arguments: [
                "run",
                "--config",
                &text(&self.routes),
                "--drain-delay",
                "0s",
                "--state-dir",
                &text(&self.folder.join("gateway")),
                "--supervised",
            ]
            .map(str::to_owned)
            .to_vec(),
            environment: self.table_variables(),
            ready_url: ready(self.ports.admin),
            // It fetches the provider's keys at once, and waits before it asks a second time.
            after: Some("identity"),
            tier: Tier::Edge,
        }
    }

    /// What `routes.yaml` reads from the environment.
    pub(super) fn table_variables(&self) -> Vec<(&'static str, String)> {
        let ports = &self.ports;
        let mut variables: Vec<(&'static str, String)> = [
            ("EDGE_PORT", ports.edge),
            ("REDIRECT_PORT", ports.redirect),
            ("INTERNAL_PORT", ports.internal),
            ("ADMIN_PORT", ports.admin),
            ("REGISTRY_PORT", ports.registry),
            ("LEGACY_SHOP_PORT", ports.legacy_shop),
            ("IDENTITY_PORT", ports.identity),
        ]
        .map(|(name, port)| (name, port.to_string()))
        .to_vec();
        variables.push(("DEMO_DIR", text(&self.folder)));
        if !ports::has_ipv6() {
            // A second IPv4 loopback address, so that the table need not know.
            variables.push(("LOOPBACK_V6", "127.0.0.2".to_owned()));
        }
        variables
    }

    /// What every service takes.
    fn chassis(&self, port: u16) -> Vec<String> {
        [
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--data-dir",
            &text(&self.folder.join("data")),
            "--registry",
            &base(self.ports.registry),
            "--supervised",
        ]
        .map(str::to_owned)
        .to_vec()
    }
}

fn bff(name: &'static str, port: u16, arguments: Vec<String>) -> Spec {
    Spec {
        name,
        binary: name,
        arguments,
        environment: Vec::new(),
        ready_url: ready(port),
        after: Some("registry"),
        tier: Tier::Bff,
    }
}

fn base(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn ready(port: u16) -> String {
    format!("http://127.0.0.1:{port}/readyz")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        Site {
            ports: Ports::new(Some(20_000)),
            folder: "/demo".into(),
            routes: "/demo/routes.yaml".into(),
        }
    }

    #[test]
    fn every_process_watches_the_launcher() {
        for spec in site().plan() {
            assert!(
                spec.arguments
                    .iter()
                    .any(|argument| argument == "--supervised"),
                "{}",
                spec.name
            );
        }
    }

    #[test]
    fn everything_waits_for_something_that_is_started() {
        let plan = site().plan();
        for spec in &plan {
            match spec.after {
                None => assert_eq!(spec.name, "registry"),
                Some(after) => assert!(plan.iter().any(|other| other.name == after), "{after}"),
            }
        }
    }

    #[test]
    fn moved_ports_reach_the_table_and_the_issuer() {
        let plan = site().plan();
        let gateway = plan
            .iter()
            .find(|spec| spec.name == "gateway")
            .expect("planned");
        assert!(
            gateway
                .environment
                .contains(&("EDGE_PORT", "20000".to_owned()))
        );
        let identity = plan
            .iter()
            .find(|spec| spec.name == "identity")
            .expect("planned");
        assert!(
            identity
                .arguments
                .contains(&"https://localhost:20000/identity".to_owned())
        );
    }
}
