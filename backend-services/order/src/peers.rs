//! Where inventory and catalogue are: a fixed address, or whatever the registry says at the moment.

use chassis::Settings;
use discovery::{RegistryClient, Watch};

/// Another service this one calls.
#[derive(Debug, Clone)]
pub(crate) enum Peer {
    /// Always at this base URL.
    Fixed { url: String },
    /// At one of the registry's instances, each in turn.
    Discovered { name: &'static str, watch: Watch },
}

/// No instance of the service is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no instance of {0} is registered")]
pub(crate) struct NoInstance(&'static str);

impl Peer {
    /// The peer at `url` if that is given, else the one the registry knows as `name`.
    ///
    /// # Errors
    /// Neither a URL nor a registry is given, or the registry's address is malformed.
    pub(crate) fn new(
        name: &'static str,
        url: Option<&str>,
        settings: &Settings,
    ) -> anyhow::Result<Self> {
        if let Some(url) = url {
            return Ok(Self::Fixed {
                url: url.trim_end_matches('/').to_owned(),
            });
        }
        let Some(registry) = &settings.registry else {
            anyhow::bail!("order must find {name}: give --{name}-url or --registry");
        };
        let watch = Watch::start(RegistryClient::new(registry.as_str())?, name);
        Ok(Self::Discovered { name, watch })
    }

    /// The base URL to call now, without a slash at its end.
    pub(crate) fn base_url(&self) -> Result<String, NoInstance> {
        match self {
            Self::Fixed { url } => Ok(url.clone()),
            Self::Discovered { name, watch } => {
                let instance = watch.pick().ok_or(NoInstance(name))?;
                Ok(instance.base_url())
            }
        }
    }
}
