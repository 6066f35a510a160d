//! What is printed once everything runs: addresses, commands to copy, how to trust, how to switch.

use std::path::Path;

use crate::demo::plan::Site;

/// Prints it.
pub(crate) fn print(site: &Site, token: &str, shop: &Path) {
    let ports = &site.ports;
    let ca = shorten(&site.folder.join("ca.pem"));
    let routes = shorten(&site.routes);
    let logs = shorten(&site.folder.join("logs"));
    let edge = site.edge("");
    let shop = shorten(shop);
    let identity = site.identity();
    println!(
        "
  Shop and portal    {edge}/
  Web BFF            {edge}/web/home
  Mobile BFF         {edge}/mobile/home
  REST API           {edge}/api/customers/1  /api/orders/1  /api/products  /api/stock/TEA-001
  Monolith           {edge}/old/
  OpenID provider    {edge}/identity/.well-known/openid-configuration
  Redirect           http://localhost:{redirect}/
  Gateway admin      http://127.0.0.1:{admin}/  (/readyz /metrics /migrations)
  Internal listener  http://127.0.0.1:{internal}/  (for BFFs)
  Registry           http://127.0.0.1:{registry}/v1/services
  Logs               {logs}/

Sign in as orders@harbour-books.example with the password demo. To copy (the token lasts 15 minutes,
then: TOKEN=$({shop} token --user 1 --identity {identity})):

  TOKEN={token}
  curl --cacert {ca} {edge}/api/customers/1
  curl --cacert {ca} -H \"Authorization: Bearer $TOKEN\" {edge}/api/customers/1
  curl --cacert {ca} -H \"Authorization: Bearer $TOKEN\" {edge}/web/home
  curl --cacert {ca} -H \"Authorization: Bearer $TOKEN\" {edge}/mobile/home
  for i in 1 2 3 4 5 6 7; do curl -s -o /dev/null -w '%{{http_code}} ' --cacert {ca} {edge}/api/demo-limit; done
",
        redirect = ports.redirect,
        admin = ports.admin,
        internal = ports.internal,
        registry = ports.registry,
    );
    println!("{}", trust(&ca));
    println!(
        "Move customers from the monolith to its service: in {routes}, under migrations → customers,
write `stage: service` and save; write `stage: monolith` to go back. X-Served-By says who answered.
"
    );
}

fn trust(ca: &str) -> String {
    format!(
        "Trust {ca} (it vouches for localhost, 127.0.0.1 and ::1 only):
  curl      --cacert {ca}
  Firefox   Settings → Privacy & Security → Certificates → View Certificates → Authorities → Import
  Chromium  Settings → Privacy and security → Security → Manage certificates → Authorities → Import,
            or: certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n banyan-demo -i {ca}
"
    )
}

/// The path as seen from where the command was typed, if that is shorter.
fn shorten(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let relative = here.and_then(|here| path.strip_prefix(here).ok());
    relative.unwrap_or(path).display().to_string()
}
