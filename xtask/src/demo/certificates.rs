//! The development certificate authority, and the edge's certificate.
//!
//! The authority can vouch for this machine's loopback names and nothing else (RFC 5280 §4.2.1.10): a
//! browser that trusts it gives nobody power over other sites, even if the key leaks.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};

/// What a client may call the edge.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

const DAY: Duration = Duration::from_hours(24);

/// Browsers refuse longer lives for a site's certificate.
const EDGE_LIFE: Duration = Duration::from_hours(24 * 365);

/// The authority outlives many demos that are run with `--keep`.
const CA_LIFE: Duration = Duration::from_hours(24 * 3650);

/// Writes `ca.pem`, `ca.key`, `edge.pem`, `edge.key`; an authority that is there is used again.
///
/// # Errors
/// When a kept authority can't be read, or files can't be written.
pub(crate) fn write(folder: &Path) -> anyhow::Result<()> {
    let (ca, ca_key) = (folder.join("ca.pem"), folder.join("ca.key"));
    let params = authority(life(CA_LIFE)?)?;
    let key = if ca.exists() && ca_key.exists() {
        // A kept authority signs under the same name with the same key: its certificate still fits.
        KeyPair::from_pem(&fs::read_to_string(&ca_key)?)
            .with_context(|| format!("{} is no private key", ca_key.display()))?
    } else {
        let key = KeyPair::generate()?;
        write_file(&ca, &params.self_signed(&key)?.pem(), 0o644)?;
        write_file(&ca_key, &key.serialize_pem(), 0o600)?;
        key
    };
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate()?;
    let certificate = edge(life(EDGE_LIFE)?)?.signed_by(&key, &issuer)?;
    write_file(&folder.join("edge.pem"), &certificate.pem(), 0o644)?;
    write_file(&folder.join("edge.key"), &key.serialize_pem(), 0o600)
}

/// Seconds since the epoch: from a day ago, for clocks that run late, until `length` from now.
fn life(length: Duration) -> anyhow::Result<(Duration, Duration)> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock is before 1970")?;
    Ok((now.saturating_sub(DAY), now + length))
}

fn params(name: &str, life: (Duration, Duration)) -> CertificateParams {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    params.not_before = epoch + life.0;
    params.not_after = epoch + life.1;
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority(life: (Duration, Duration)) -> anyhow::Result<CertificateParams> {
    let mut params = params("Banyan demo authority (this machine only)", life);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".to_owned()),
            GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8)),
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix("::1".parse()?, 128)),
        ],
        excluded_subtrees: Vec::new(),
    });
    Ok(params)
}

fn edge(life: (Duration, Duration)) -> anyhow::Result<CertificateParams> {
    let mut params = params("Banyan demo", life);
    params.subject_alt_names =
        CertificateParams::new(NAMES.map(str::to_owned).to_vec())?.subject_alt_names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn write_file(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let file = fs::File::options()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(mode)
        .open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn keys_are_for_their_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path()).expect("written");
        for name in ["ca.key", "edge.key"] {
            let mode = fs::metadata(folder.path().join(name))
                .expect("there")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_kept_authority_goes_on_signing_and_a_removed_one_is_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("there");
        write(folder.path()).expect("written");
        let (ca, edge) = (read("ca.pem"), read("edge.pem"));
        write(folder.path()).expect("written again");
        assert_eq!(read("ca.pem"), ca);
        assert_ne!(read("edge.pem"), edge);
        fs::remove_file(folder.path().join("ca.pem")).expect("removed");
        write(folder.path()).expect("written anew");
        assert_ne!(read("ca.pem"), ca);
    }
}
