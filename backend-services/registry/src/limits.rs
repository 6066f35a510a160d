//! What may be registered: the bounds of every field, checked before anything is kept.
//!
//! A registry that grows without end, or that can be made to call any address, is a danger to all
//! that depend on it. So every text has a length, every list a size, and a health URL must point
//! at the instance's own address.

use std::time::Duration;

use discovery::Registration;
use reqwest::Url;

/// Services with at least one instance.
pub(crate) const SERVICES_MAX: usize = 1_000;
/// Instances of all services together.
pub(crate) const INSTANCES_MAX: usize = 10_000;
/// Requests that wait for a change at the same time: long polls and event streams.
pub(crate) const WATCHERS_MAX: usize = 4_000;
/// The longest wait of a long poll; a longer one is cut to it.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(60);
/// Shortest and longest time a lease may last without renewal, in seconds.
pub(crate) const TTL_S: std::ops::RangeInclusive<u32> = 1..=300;

const WEIGHT: std::ops::RangeInclusive<u32> = 1..=1_000;
const SERVICE_NAME_CHARS_MAX: usize = 63;
const INSTANCE_ID_CHARS_MAX: usize = 128;
/// The longest name that DNS allows.
const ADDR_CHARS_MAX: usize = 253;
const LABEL_CHARS_MAX: usize = 64;
const HEALTH_URL_CHARS_MAX: usize = 512;
const METADATA_ENTRIES_MAX: usize = 32;
const METADATA_VALUE_CHARS_MAX: usize = 256;

/// Says which part of a registration is outside its bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    #[error(
        "`{0}` is no service name: up to 63 of a–z, 0–9 and `-`, beginning with a letter or digit"
    )]
    ServiceName(String),
    #[error("`{0}` is no instance id: up to 128 of A–Z, a–z, 0–9 and `-._:`")]
    InstanceId(String),
    #[error("`addr` must be a host name or an IP address without brackets")]
    Addr,
    #[error("`port` must be 1 to 65535")]
    Port,
    #[error("`scheme` must be `http` or `https`")]
    Scheme,
    #[error("`weight` must be 1 to 1000")]
    Weight,
    #[error("`ttl_s` must be 1 to 300")]
    Ttl,
    #[error("`{0}` must be 1 to 64 printable characters")]
    Label(&'static str),
    #[error(
        "`health_url` must be an http or https URL of at most 512 characters on the host that `addr` names"
    )]
    HealthUrl,
    #[error("`metadata` may have 32 entries, keys of 1 to 64 and values of up to 256 characters")]
    Metadata,
}

/// Checks the names in a request's path.
pub(crate) fn check_names(service: &str, id: &str) -> Result<(), Invalid> {
    check_service_name(service)?;
    let id_fits = (1..=INSTANCE_ID_CHARS_MAX).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte));
    if id_fits {
        Ok(())
    } else {
        Err(Invalid::InstanceId(shortened(id)))
    }
}

/// Checks the name of a service.
pub(crate) fn check_service_name(service: &str) -> Result<(), Invalid> {
    let fits = service.len() <= SERVICE_NAME_CHARS_MAX
        && service
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && service.bytes().next().is_some_and(|first| first != b'-');
    if fits {
        Ok(())
    } else {
        Err(Invalid::ServiceName(shortened(service)))
    }
}

/// Checks everything that a registration says.
pub(crate) fn check_registration(registration: &Registration) -> Result<(), Invalid> {
    let Registration {
        addr,
        port,
        scheme,
        zone,
        version,
        weight,
        health_url,
        ttl_s,
        metadata,
        ..
    } = registration;
    ensure(is_host(addr), Invalid::Addr)?;
    ensure(*port > 0, Invalid::Port)?;
    ensure(matches!(scheme.as_str(), "http" | "https"), Invalid::Scheme)?;
    ensure(WEIGHT.contains(weight), Invalid::Weight)?;
    ensure(TTL_S.contains(ttl_s), Invalid::Ttl)?;
    ensure(zone.as_deref().is_none_or(is_label), Invalid::Label("zone"))?;
    ensure(
        version.as_deref().is_none_or(is_label),
        Invalid::Label("version"),
    )?;
    ensure(
        health_url
            .as_deref()
            .is_none_or(|url| is_on_host(url, addr)),
        Invalid::HealthUrl,
    )?;
    let metadata_fits = metadata.len() <= METADATA_ENTRIES_MAX
        && metadata
            .iter()
            .all(|(key, value)| is_label(key) && is_value(value));
    ensure(metadata_fits, Invalid::Metadata)
}

fn ensure(holds: bool, otherwise: Invalid) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// A host name or an address as [`Url`] understands it, so that what is handed out can be called.
fn is_host(addr: &str) -> bool {
    let fits = (1..=ADDR_CHARS_MAX).contains(&addr.len())
        && addr
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte));
    // A port or a path that hides in the address would not survive this round trip.
    fits && host_of(&format!("http://{}/", bracketed(addr)))
        .is_some_and(|host| host.eq_ignore_ascii_case(&bracketed(addr)))
}

/// Whether `url` points at `addr`: nobody may make the registry call somebody else.
fn is_on_host(url: &str, addr: &str) -> bool {
    url.len() <= HEALTH_URL_CHARS_MAX
        && (url.starts_with("http://") || url.starts_with("https://"))
        && host_of(url).is_some_and(|host| host.eq_ignore_ascii_case(&bracketed(addr)))
}

fn host_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    // `http://user@host` would be called with credentials that nobody means to give.
    let plain = url.username().is_empty() && url.password().is_none();
    plain.then(|| url.host_str().map(str::to_owned)).flatten()
}

fn bracketed(addr: &str) -> String {
    if addr.contains(':') {
        format!("[{addr}]")
    } else {
        addr.to_owned()
    }
}

fn is_label(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= LABEL_CHARS_MAX && is_printable(text)
}

fn is_value(text: &str) -> bool {
    text.chars().count() <= METADATA_VALUE_CHARS_MAX && is_printable(text)
}

fn is_printable(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// Enough of a refused name to recognise it by.
fn shortened(name: &str) -> String {
    name.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid() -> Registration {
        serde_json::from_value(serde_json::json!({ "addr": "127.0.0.1", "port": 7004 })).unwrap()
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut Registration)) -> Invalid {
        let mut registration = valid();
        change(&mut registration);
        check_registration(&registration).unwrap_err()
    }

    #[test]
    fn address_and_port_are_enough() {
        assert_eq!(check_registration(&valid()), Ok(()));
    }

    #[test]
    fn names_and_addresses_of_every_kind_are_taken() {
        for addr in ["catalog-1.internal", "10.0.0.7", "::1", "fe80::1"] {
            let mut registration = valid();
            registration.addr = addr.to_owned();
            registration.health_url = Some(format!("http://{}:9/readyz", bracketed(addr)));
            assert_eq!(check_registration(&registration), Ok(()), "{addr}");
        }
    }

    #[test]
    fn each_field_has_its_bounds() {
        for addr in [
            "",
            "[::1]",
            "a b",
            "host:80",
            "host/path",
            "user@host",
            "ü",
            "1.2.3.4.5:6",
        ] {
            assert_eq!(
                refused(|r| r.addr = addr.to_owned()),
                Invalid::Addr,
                "{addr}"
            );
        }
        assert_eq!(refused(|r| r.addr = "a".repeat(254)), Invalid::Addr);
        assert_eq!(refused(|r| r.port = 0), Invalid::Port);
        assert_eq!(refused(|r| r.scheme = "ftp".to_owned()), Invalid::Scheme);
        assert_eq!(refused(|r| r.weight = 0), Invalid::Weight);
        assert_eq!(refused(|r| r.weight = 1_001), Invalid::Weight);
        assert_eq!(refused(|r| r.ttl_s = 0), Invalid::Ttl);
        assert_eq!(refused(|r| r.ttl_s = 301), Invalid::Ttl);
        assert_eq!(
            refused(|r| r.zone = Some("a\nb".to_owned())),
            Invalid::Label("zone")
        );
        assert_eq!(
            refused(|r| r.version = Some("v".repeat(65))),
            Invalid::Label("version")
        );
        let too_many = (0..33).map(|n| (n.to_string(), String::new())).collect();
        assert_eq!(refused(|r| r.metadata = too_many), Invalid::Metadata);
        let too_long = [("k".to_owned(), "v".repeat(257))].into();
        assert_eq!(refused(|r| r.metadata = too_long), Invalid::Metadata);
    }

    #[test]
    fn a_health_url_points_at_the_instance_and_nowhere_else() {
        for url in [
            "http://10.0.0.1/latest/meta-data",
            "http://127.0.0.1@10.0.0.1/",
            "http://user@127.0.0.1/",
            "file:///etc/passwd",
            "/readyz",
            "",
        ] {
            assert_eq!(
                refused(|r| r.health_url = Some(url.to_owned())),
                Invalid::HealthUrl,
                "{url}"
            );
        }
    }

    #[test]
    fn names_are_short_and_plain() {
        assert_eq!(check_names("order-history", "order-7007"), Ok(()));
        for service in ["", "-order", "Order", "order/1", "ö", &"o".repeat(64)] {
            assert!(
                matches!(check_names(service, "a"), Err(Invalid::ServiceName(_))),
                "{service}"
            );
        }
        for id in ["", "a/b", "a b", &"i".repeat(129)] {
            assert!(
                matches!(check_names("order", id), Err(Invalid::InstanceId(_))),
                "{id}"
            );
        }
    }
}
