//! The decision for one request: what the route asks for, and whether the request brings it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use route_table::table::{Combine, Demand, RouteAuth};

use super::authenticators::Authenticators;
use super::caller::{Caller, Identity};
use super::checks::Ask;
use super::credentials::Presented;
use super::refused::{AuthRefused, Reason, Refusal};

/// Lets a request pass, with what is known of its caller; nothing, where the route allows that.
///
/// Waits only for keys that nobody has seen yet, and for providers that are asked.
///
/// # Errors
/// Why the request must not pass; it is counted in the metrics already.
pub(crate) async fn authorize(
    auth: &RouteAuth,
    providers: &Authenticators,
    presented: Presented<'_>,
    ask: &impl Ask,
    now: SystemTime,
) -> Result<Caller, AuthRefused> {
    let now = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since_1970| since_1970.as_secs());
    let mut caller = Caller::anonymous();
    let mut refused = Refusals::default();
    for demand in &auth.demands {
        match identify(demand, providers, presented, ask, now).await {
            Ok(identity) => {
                if providers.get(demand.provider).provider().exchange {
                    match providers.token_for(&identity, now) {
                        Some(token) => caller.exchange(token),
                        None => {
                            refused.note(Reason::KeysUnavailable.into(), demand);
                            continue;
                        }
                    }
                }
                caller.add(identity);
                if auth.combine == Combine::Any {
                    return Ok(caller);
                }
            }
            Err(refusal) => refused.note(refusal, demand),
        }
    }
    match refused.most_telling {
        None => Ok(caller),
        // Whoever brings one of several things that are all asked for has brought something.
        Some(_) if auth.optional && refused.missing == auth.demands.len() => Ok(caller),
        Some((refusal, demand)) => Err(providers.refuse(auth, refusal, demand)),
    }
}

/// What is said against a caller.
#[derive(Default)]
struct Refusals<'d> {
    most_telling: Option<(Refusal, &'d Demand)>,
    /// How many demands found nothing to look at.
    missing: usize,
}

impl<'d> Refusals<'d> {
    fn note(&mut self, refusal: Refusal, demand: &'d Demand) {
        self.missing += usize::from(refusal.reason == Reason::Missing);
        let known = self.most_telling.as_ref();
        if known.is_none_or(|(known, _)| refusal.reason.tells_more_than(known.reason)) {
            self.most_telling = Some((refusal, demand));
        }
    }
}

/// Asks one provider who brings this.
async fn identify(
    demand: &Demand,
    providers: &Authenticators,
    presented: Presented<'_>,
    ask: &impl Ask,
    now: u64,
) -> Result<Arc<Identity>, Refusal> {
    let authenticator = providers.get(demand.provider);
    let provider = authenticator.provider();
    let places = provider.places(demand);
    let credential = presented.find(places)?;
    if credential.is_none() && !places.is_empty() {
        return Err(Reason::Missing.into());
    }
    let identity = authenticator
        .identify(credential, presented, ask, now)
        .await?;
    identity.meets(demand, &provider.roles_claim)?;
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::header::AUTHORIZATION;
    use http::{HeaderMap, HeaderValue, Request, Response, Uri};
    use route_table::table::{ClaimCondition, ProviderId, UpstreamId};

    use super::*;
    use crate::auth::jwt::test_issuer::{Issuer, KeyKind, NOW, providers_of};
    use crate::upstream::Unanswered;

    /// Tokens can be verified without asking anybody.
    struct Nobody;

    impl Ask for Nobody {
        async fn ask(
            &self,
            _: UpstreamId,
            _: Request<Bytes>,
            _: Duration,
        ) -> Result<Response<Bytes>, Unanswered> {
            Err(Unanswered::Timeout)
        }
    }

    /// Two issuers, `shop` and `partners`, whose tokens are looked for in the same place.
    struct Scene {
        shop: Issuer,
        partners: Issuer,
        providers: Authenticators,
    }

    fn demand(provider: u32) -> Demand {
        Demand {
            provider: ProviderId(provider),
            from: Vec::new(),
            scopes: Vec::new(),
            roles: Vec::new(),
            claims: Vec::new(),
        }
    }

    fn one(demand: Demand) -> RouteAuth {
        RouteAuth {
            demands: vec![demand],
            combine: Combine::Any,
            optional: false,
        }
    }

    impl Scene {
        fn new() -> Self {
            let shop = Issuer::new(KeyKind::P256, "a");
            let mut partners = Issuer::new(KeyKind::P256, "b");
            partners.name = "https://id.partners.test".to_owned();
            let providers = providers_of(&[("shop", &shop), ("partners", &partners)]);
            Self {
                shop,
                partners,
                providers,
            }
        }

        async fn decide(&self, auth: &RouteAuth, token: Option<&str>) -> Result<bool, AuthRefused> {
            let mut headers = HeaderMap::new();
            if let Some(token) = token {
                let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
                headers.insert(AUTHORIZATION, value);
            }
            let uri = Uri::from_static("/");
            let presented = Presented::of(&headers, &uri);
            let now = UNIX_EPOCH + Duration::from_secs(NOW);
            let caller = authorize(auth, &self.providers, presented, &Nobody, now).await?;
            Ok(caller.claim("sub").is_some())
        }

        async fn reason(&self, auth: &RouteAuth, token: Option<&str>) -> Option<Reason> {
            let refused = self.decide(auth, token).await.err();
            refused.map(|refused| refused.reason)
        }
    }

    #[tokio::test]
    async fn a_good_token_passes_when_it_grants_what_is_asked_for() {
        let scene = Scene::new();
        let token = scene.shop.token();
        let ask = async |demand| scene.reason(&one(demand), Some(&token)).await;
        let scopes = |scopes: &[&str]| Demand {
            scopes: scopes.iter().map(|scope| Arc::from(*scope)).collect(),
            ..demand(0)
        };
        assert_eq!(ask(scopes(&[])).await, None);
        assert_eq!(ask(scopes(&["orders:read", "orders:write"])).await, None);
        let beyond = ask(scopes(&["orders:read", "orders:admin"])).await;
        assert_eq!(beyond, Some(Reason::Scope));
    }

    #[tokio::test]
    async fn one_of_the_roles_and_all_conditions_must_hold() {
        let scene = Scene::new();
        let claims = serde_json::json!({ "roles": ["clerk"], "tier": "gold", "level": 3 });
        let token = scene.shop.token_with(&claims);
        let ask = async |demand| scene.reason(&one(demand), Some(&token)).await;
        let roles = |roles: &[&str]| Demand {
            roles: roles.iter().map(|role| Arc::from(*role)).collect(),
            ..demand(0)
        };
        assert_eq!(ask(roles(&["admin", "clerk"])).await, None);
        assert_eq!(ask(roles(&["admin"])).await, Some(Reason::Role));
        let conditions = |conditions: &[(&str, &str)]| Demand {
            claims: conditions
                .iter()
                .map(|(claim, value)| ClaimCondition {
                    claim: Arc::from(*claim),
                    values: vec![Arc::from(*value)],
                })
                .collect(),
            ..demand(0)
        };
        assert_eq!(
            ask(conditions(&[("tier", "gold"), ("level", "3")])).await,
            None
        );
        let one_fails = ask(conditions(&[("tier", "gold"), ("level", "4")])).await;
        assert_eq!(one_fails, Some(Reason::Claim));
    }

    #[tokio::test]
    async fn optional_means_without_a_token_not_with_a_bad_one() {
        let scene = Scene::new();
        let token = scene.shop.token();
        let strict = one(demand(0));
        let optional = RouteAuth {
            optional: true,
            ..strict.clone()
        };
        assert_eq!(scene.reason(&strict, None).await, Some(Reason::Missing));
        assert_eq!(scene.decide(&optional, None).await.ok(), Some(false));
        assert_eq!(scene.decide(&optional, Some(&token)).await.ok(), Some(true));
        let bad = scene.reason(&optional, Some("x.y.z")).await;
        assert_eq!(bad, Some(Reason::Malformed));
    }

    #[tokio::test]
    async fn any_of_several_providers_may_know_the_caller() {
        let scene = Scene::new();
        let any = RouteAuth {
            demands: vec![demand(0), demand(1)],
            ..one(demand(0))
        };
        for issuer in [&scene.shop, &scene.partners] {
            assert_eq!(
                scene.decide(&any, Some(&issuer.token())).await.ok(),
                Some(true)
            );
        }
        let refused = scene.decide(&any, None).await.unwrap_err();
        assert_eq!(refused.reason, Reason::Missing);
        let challenges: Vec<_> = refused.challenges().collect();
        assert_eq!(
            challenges,
            ["Bearer realm=\"shop\"", "Bearer realm=\"partners\""]
        );
        // What its own issuer has against it says more than that it is not the other's.
        let expired = serde_json::json!({ "exp": 1 });
        let late = scene.partners.token_with(&expired);
        let refused = scene.decide(&any, Some(&late)).await.unwrap_err();
        assert_eq!(
            (refused.reason, &*refused.provider),
            (Reason::Expired, "partners")
        );
    }

    #[tokio::test]
    async fn all_of_several_demands_must_be_met() {
        let scene = Scene::new();
        let all = RouteAuth {
            demands: vec![
                demand(0),
                Demand {
                    scopes: vec!["orders:admin".into()],
                    ..demand(0)
                },
            ],
            combine: Combine::All,
            optional: true,
        };
        let token = scene.shop.token();
        assert_eq!(scene.reason(&all, Some(&token)).await, Some(Reason::Scope));
        let scope = serde_json::json!({ "scope": "orders:admin" });
        let admin = scene.shop.token_with(&scope);
        assert_eq!(scene.decide(&all, Some(&admin)).await.ok(), Some(true));
        assert_eq!(scene.decide(&all, None).await.ok(), Some(false));
    }
}
