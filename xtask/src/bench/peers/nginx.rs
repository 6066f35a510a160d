//! nginx, as the upstream of all and as a proxy.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use tokio::process::Command;

use crate::bench::lab::{Lab, WORKERS};
use crate::bench::server::Server;
use crate::demo::ports;

/// How a proxy's edge is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench) enum Edge {
    Plain,
    /// The certificate of the demo's authority, HTTP/2 and HTTP/1.1.
    Tls,
}

/// Answers everything with a few bytes of JSON, and what lies in `folder/static`.
///
/// # Errors
/// When it does not start.
pub(in crate::bench) async fn upstream(
    program: &Path,
    folder: &Path,
    ports: [u16; 2],
) -> anyhow::Result<Server> {
    let root = folder.join("static");
    fs::create_dir_all(&root).context("cannot create the upstream's folder")?;
    let server = format!(
        "  access_log off;\n  server {{\n    listen 127.0.0.1:{};\n    listen 127.0.0.1:{};\n    \
         location /static/ {{ root {}; default_type application/json; }}\n    \
         location / {{ default_type application/json; return 200 '{{\"status\":\"ok\",\"id\":1}}'; }}\n  }}\n",
        ports[0],
        ports[1],
        folder.display()
    );
    start(Command::new(program), folder, "upstream", ports[0], &server).await
}

/// An upstream for copies, at the lowest priority: in earnest it would be on another machine.
///
/// # Errors
/// When it does not start.
pub(in crate::bench) async fn mirror(program: &Path, folder: &Path) -> anyhow::Result<Server> {
    let [port] = ports::free()?;
    let server = format!(
        "  access_log off;\n  server {{\n    listen 127.0.0.1:{port};\n    \
         location / {{ default_type application/json; return 200 '{{\"status\":\"ok\",\"id\":2}}'; }}\n  }}\n"
    );
    let mut command = Command::new("nice");
    command.args(["-n", "19"]).arg(program);
    start(command, folder, "mirror", port, &server).await
}

/// A proxy to the upstream.
///
/// # Errors
/// When it does not start.
pub(in crate::bench) async fn proxy(lab: &Lab, edge: Edge) -> anyhow::Result<Server> {
    let [port] = ports::free()?;
    let folder = lab.path();
    let (listen, tls) = match edge {
        Edge::Plain => ("", String::new()),
        Edge::Tls => (
            " ssl http2",
            format!(
                "    ssl_certificate {0}/edge.pem;\n    ssl_certificate_key {0}/edge.key;\n    \
                 ssl_protocols TLSv1.2 TLSv1.3;\n    ssl_session_tickets off;\n    ssl_session_cache off;\n",
                folder.display()
            ),
        ),
    };
    let server = format!(
        "  access_log {}/nginx.access.log combined buffer=64k;\n  \
         upstream shop {{ server 127.0.0.1:{}; keepalive 128; keepalive_requests 1000000000; }}\n  \
         server {{\n    listen 127.0.0.1:{port}{listen};\n{tls}    \
         location = /nginx_status {{ stub_status; }}\n    \
         location / {{ proxy_pass http://shop; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }}\n  }}\n",
        folder.display(),
        lab.upstream.port,
    );
    let command = Command::new(&lab.programs.nginx);
    start(command, folder, "nginx", port, &server).await
}

/// Starts nginx by `command`, which lacks but its arguments.
async fn start(
    mut command: Command,
    folder: &Path,
    name: &str,
    port: u16,
    http: &str,
) -> anyhow::Result<Server> {
    let own = folder.join(name);
    fs::create_dir_all(&own).context("cannot create a folder for nginx")?;
    let text = format!(
        "daemon off;\nworker_processes {WORKERS};\npid {0}/nginx.pid;\nerror_log {0}/error.log;\n\
         worker_rlimit_nofile 40000;\nevents {{ worker_connections 20000; }}\nhttp {{\n  \
         client_body_temp_path {0}/body;\n  proxy_temp_path {0}/proxy;\n  fastcgi_temp_path {0}/fastcgi;\n  \
         uwsgi_temp_path {0}/uwsgi;\n  scgi_temp_path {0}/scgi;\n  keepalive_requests 1000000000;\n  \
         keepalive_timeout 600s;\n  tcp_nodelay on;\n{http}}}\n",
        own.display()
    );
    let config = own.join("nginx.conf");
    fs::write(&config, text).context("cannot write nginx's configuration")?;
    command.arg("-p").arg(&own).arg("-c").arg(&config);
    Server::start(command, port, &own.join("said.log")).await
}
