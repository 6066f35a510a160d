//! What can be said on the command line.

const EXAMPLES: &str = "\
Examples:
  cargo xtask suite slow                slow headers, bodies and readers; a minute and a half
  cargo xtask suite tls                 Mozilla's intermediate configuration
  cargo xtask suite hygiene             tests/vtc, byte by byte
  cargo xtask suite cache               RFC 9111, in front of the suite's own server
  cargo xtask suite websocket --short   without compression, which takes half an hour
  cargo xtask suite websocket --cases '1.*' --cases 12.1.1

Exit codes: 0 passed or skipped, 1 failed.";

/// Options of `cargo xtask suite`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Which suite.
    #[arg(value_enum)]
    pub(crate) suite: Suite,

    /// Leaves out what takes long.
    #[arg(long)]
    pub(crate) short: bool,

    /// Only these cases of `websocket`, by number or pattern; may be given several times.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) cases: Vec<String>,
}

/// The suites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Suite {
    /// Clients that send and read slowly are closed in time, and others are served meanwhile.
    Slow,
    /// The edge's TLS is as Mozilla recommends it.
    Tls,
    /// Framing, hop-by-hop fields, interim answers and trailers are right to the byte.
    Hygiene,
    /// Answers are kept and served by RFC 9111.
    Cache,
    /// WebSockets through the gateway behave as without it.
    Websocket,
}

impl Suite {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Tls => "tls",
            Self::Hygiene => "hygiene",
            Self::Cache => "cache",
            Self::Websocket => "websocket",
        }
    }
}
