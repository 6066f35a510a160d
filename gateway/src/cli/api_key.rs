//! `gateway api-key`: a new key, and what to write into the file of keys.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use serde::Serialize;

use super::output::Output;

/// Bytes of a key from a good source: nobody guesses 256 bits, so that their plain hash gives none away.
const KEY_BYTES: usize = 32;

/// Characters of a key that somebody else has made, at least.
const KEY_CHARS_MIN: usize = 20;

#[derive(Debug, Args)]
pub(super) struct ApiKeyArgs {
    /// Whose key it is; their requests say so to upstreams.
    #[arg(value_name = "ID")]
    id: String,
    /// Read a key that exists already from standard input, and show its entry only.
    #[arg(long)]
    stdin: bool,
    /// For people, or for programs.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Serialize)]
struct Made {
    id: String,
    /// Absent for a key that was given to us.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    sha256: String,
}

pub(super) fn api_key(args: &ApiKeyArgs) -> ExitCode {
    let (key, is_new) = if args.stdin {
        match given() {
            Ok(key) => (key, false),
            Err(complaint) => {
                // An error says that nobody reads: the exit code stands.
                let _ = writeln!(std::io::stderr(), "gateway api-key: {complaint}");
                return ExitCode::FAILURE;
            }
        }
    } else {
        (new_key(), true)
    };
    let made = Made {
        id: args.id.clone(),
        sha256: hexadecimal(digest(&SHA256, key.as_bytes()).as_ref()),
        key: is_new.then_some(key),
    };
    let _ = write!(std::io::stdout(), "{}", args.output.of(&made));
    ExitCode::SUCCESS
}

fn new_key() -> String {
    let mut bytes = [0; KEY_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has a source of randomness");
    URL_SAFE_NO_PAD.encode(bytes)
}

fn given() -> Result<String, String> {
    let mut text = String::new();
    std::io::stdin()
        .take(16 * 1024)
        .read_to_string(&mut text)
        .map_err(|error| format!("the key cannot be read: {error}"))?;
    let key = text.trim_end_matches(['\r', '\n']);
    if key.len() < KEY_CHARS_MIN {
        return Err(format!(
            "a key of less than {KEY_CHARS_MIN} characters can be found by trying: let this command make one"
        ));
    }
    Ok(key.to_owned())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, key, sha256 } = self;
        if let Some(key) = key {
            writeln!(f, "The key, for {id} alone; it cannot be shown again:\n")?;
            writeln!(f, "  {key}\n")?;
        }
        writeln!(f, "The entry for the file of keys, below `keys:`:\n")?;
        writeln!(f, "  - id: {id:?}\n    sha256: {sha256}")
    }
}
