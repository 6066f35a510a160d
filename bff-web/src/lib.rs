//! The backend for the browser: composed screens as JSON, and pages that need no JavaScript.
//!
//! A browser signs in at the OpenID provider and holds nothing but a session cookie; tokens stay here
//! ([`session`]). A caller with a token of its own may call the screens too: the gateway has verified it
//! and says who asks ([`visitor`]). `/api/*` is called through the gateway's internal listener with the
//! user's token, the catalogue directly at an instance that the registry names, without it.
//!
//! [`menu`] is the portal's list of capabilities, whose addresses follow the strangler's route table.

pub mod cli;

mod visitor;
mod session;
mod screens;
mod pages;
mod menu;
mod shop;

use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};
use chassis::{Running, Service, Settings};
use composition::{BaseUrl, Upstreams};

pub use session::{ProviderOptions, Secret};

use menu::Menu;
use session::{Provider, Sessions};

/// Longest time for a screen or a page.
const BUDGET: Duration = Duration::from_secs(2);

/// What the process is told on its command line.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// What every service is told.
    #[command(flatten)]
    pub service: Settings,
    /// The gateway's internal listener.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081")]
    pub gateway_url: BaseUrl,
    /// The gateway's admin listener, for the state of migrations.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9901")]
    pub admin_url: BaseUrl,
    /// Where people sign in.
    #[command(flatten)]
    pub provider: ProviderOptions,
}

/// What handlers share.
#[derive(Debug, Clone)]
struct App {
    upstreams: Upstreams,
    menu: Menu,
    sessions: Sessions,
    provider: Provider,
}

/// Starts serving.
///
/// # Errors
/// A busy port; a registry URL that is none; a secret's file that can't be read.
pub async fn start(options: Options) -> anyhow::Result<Running> {
    let registry = options.service.registry.as_deref();
    let app = App {
        upstreams: Upstreams::new(options.gateway_url, registry)?,
        menu: Menu::new(&options.admin_url)?,
        sessions: Sessions::new(),
        provider: Provider::new(options.provider)?,
    };
    let hardening = pages::Hardening::new(&app.provider)?;
    let routes = Router::new()
        .route("/", get(pages::portal))
        .route("/catalogue", get(pages::catalogue))
        .route("/products/{sku}", get(pages::product))
        .route("/customers", get(pages::customer))
        .route("/orders", get(pages::orders))
        .route("/orders/{id}", get(pages::order))
        .route("/web/home", get(screens::home))
        .route("/web/user", get(session::user))
        .route("/web/login", get(session::login))
        .route("/web/callback", get(session::callback))
        .route("/web/logout", post(session::logout))
        .route("/web/assets/site.css", get(pages::stylesheet))
        .route("/web/assets/leaf.svg", get(pages::leaf))
        .layer(middleware::map_response_with_state(
            hardening,
            pages::harden,
        ))
        .with_state(app);
    Service::new("bff-web", routes)
        .start(&options.service)
        .await
}
