//! `shop token`: an access token for curl.

use std::io::Write as _;

use anyhow::Context as _;
use identity::login::{DEFAULT_SCOPE, LoginRequest, token_for};

const EXAMPLES: &str = "\
The token comes by the authorization code flow with PKCE, as an app on this computer would get it.

Examples:
  shop token --user 1
  shop token --user 2 --scope \"orders:read\" --json
  curl --cacert target/demo/ca.pem -H \"Authorization: Bearer $(shop token --user 1)\" https://localhost:8443/api/customers/1";

/// The command line of `shop token`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TokenOptions {
    /// A customer's number, or the e-mail address.
    #[arg(long, value_name = "USER")]
    user: String,
    /// Scopes to ask for, separated by spaces.
    #[arg(long, value_name = "SCOPES", default_value = DEFAULT_SCOPE)]
    scope: String,
    /// Where identity answers.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7003")]
    identity: String,
    /// Print all that the token endpoint answered, as JSON.
    #[arg(long)]
    json: bool,
}

impl TokenOptions {
    /// Signs in and prints the token on standard output.
    ///
    /// # Errors
    /// There is no token to be had, or nobody reads it.
    pub(crate) async fn print(self) -> anyhow::Result<()> {
        let request = LoginRequest {
            identity: &self.identity,
            user: &self.user,
            scope: &self.scope,
        };
        let tokens = token_for(&request).await?;
        let text = if self.json {
            serde_json::to_string_pretty(&tokens)?
        } else {
            tokens.access_token
        };
        writeln!(std::io::stdout(), "{text}").context("cannot print the token")
    }
}
