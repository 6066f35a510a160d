//! The clients that the shop comes with.
//!
//! | client | kind | grants |
//! |---|---|---|
//! | `bff-web` | confidential | authorization code, refresh, client credentials |
//! | `shop-app` | public, on the user's machine | authorization code, refresh |
//! | `shop-cli` | confidential | client credentials |

use std::fmt;
use std::str::FromStr;

use anyhow::Context as _;
use url::Url;

use crate::domain::client::{Client, Grant};
use crate::domain::scope::Scopes;
use crate::opaque::Hash;

/// The public client of command lines and mobile apps.
pub(crate) const PUBLIC_CLIENT: &str = "shop-app";
/// Where [`PUBLIC_CLIENT`] gets its codes; it may add the port it listens on.
pub(crate) const PUBLIC_REDIRECT_URI: &str = "http://127.0.0.1/callback";

/// A client's secret, which no log shows.
#[derive(Clone)]
pub struct Secret(String);

impl FromStr for Secret {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            Err("a secret must not be empty")
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What the command line says about clients.
#[derive(Debug, Clone, clap::Args)]
pub struct ClientOptions {
    /// Where `bff-web` gets its codes, to the letter; may be given several times.
    #[arg(
        long = "redirect-uri",
        value_name = "URL",
        default_value = "https://localhost:8443/web/callback"
    )]
    pub redirect_uris: Vec<String>,
    /// Secret of `bff-web`. Prefer the variable: command lines show in the process list.
    #[arg(
        long,
        value_name = "SECRET",
        env = "BANYAN_BFF_WEB_SECRET",
        default_value = "bff-web-dev-secret",
        hide_env_values = true
    )]
    pub bff_web_secret: Secret,
    /// Secret of `shop-cli`. Prefer the variable: command lines show in the process list.
    #[arg(
        long,
        value_name = "SECRET",
        env = "BANYAN_SHOP_CLI_SECRET",
        default_value = "shop-cli-dev-secret",
        hide_env_values = true
    )]
    pub shop_cli_secret: Secret,
}

impl ClientOptions {
    /// The clients to register.
    pub(crate) fn clients(&self) -> anyhow::Result<Vec<Client>> {
        let post_logout_redirect_uris = self
            .redirect_uris
            .iter()
            .map(|uri| home_of(uri))
            .collect::<Result<_, _>>()?;
        Ok(vec![
            Client {
                id: "bff-web".to_owned(),
                name: "Banyan shop".to_owned(),
                secret: Some(Hash::of(&self.bff_web_secret.0)),
                redirect_uris: self.redirect_uris.clone(),
                post_logout_redirect_uris,
                grants: Grant::ALL.to_vec(),
                scopes: Scopes::all(),
            },
            Client {
                id: PUBLIC_CLIENT.to_owned(),
                name: "Shop on this computer".to_owned(),
                secret: None,
                redirect_uris: vec![PUBLIC_REDIRECT_URI.to_owned()],
                post_logout_redirect_uris: vec![],
                grants: vec![Grant::AuthorizationCode, Grant::RefreshToken],
                scopes: Scopes::all(),
            },
            Client {
                id: "shop-cli".to_owned(),
                name: "Shop scripts".to_owned(),
                secret: Some(Hash::of(&self.shop_cli_secret.0)),
                redirect_uris: vec![],
                post_logout_redirect_uris: vec![],
                grants: vec![Grant::ClientCredentials],
                scopes: Scopes::all().of_services(),
            },
        ])
    }
}

/// The front page beside a redirect URI: where people land after they signed out.
fn home_of(redirect_uri: &str) -> anyhow::Result<String> {
    let url = Url::parse(redirect_uri)
        .with_context(|| format!("--redirect-uri `{redirect_uri}` is no absolute URL"))?;
    anyhow::ensure!(
        matches!(url.scheme(), "https" | "http") && url.fragment().is_none(),
        "--redirect-uri `{redirect_uri}` must be http or https and without a fragment"
    );
    Ok(format!("{}/", url.origin().ascii_serialization()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_who_sign_out_may_land_on_the_front_page() {
        assert_eq!(
            home_of("https://a.example:8443/web/cb").unwrap(),
            "https://a.example:8443/"
        );
        assert!(home_of("/web/callback").is_err());
        assert!(home_of("javascript:alert(1)").is_err());
        assert!(home_of("https://a.example/#x").is_err());
    }

    #[test]
    fn a_secret_does_not_show_in_debug_output() {
        let secret: Secret = "hush".parse().unwrap();
        assert!(!format!("{secret:?}").contains("hush"));
        assert!("".parse::<Secret>().is_err());
    }
}
