//! What a route asks of callers, in words.

use route_table::Table;
use route_table::table::{Combine, Demand, Place, RouteAuth};

/// All of it, in one line.
pub(crate) fn in_words(table: &Table, auth: Option<&RouteAuth>) -> String {
    let Some(auth) = auth else {
        return "none: anyone may call".to_owned();
    };
    let demands = auth.demands.iter().map(|demand| of(table, demand));
    let demands: Vec<_> = demands.collect();
    let mut text = match (auth.combine, demands.len()) {
        (_, 1) => String::new(),
        (Combine::Any, _) => "any of ".to_owned(),
        (Combine::All, _) => "all of ".to_owned(),
    };
    text.push_str(&demands.join("; "));
    if auth.optional {
        text.push_str(", optional");
    }
    text
}

fn of(table: &Table, demand: &Demand) -> String {
    let mut words = vec![format!("provider {}", provider_name(table, demand))];
    words.extend(requirements(demand));
    if !demand.from.is_empty() {
        let places: Vec<_> = demand.from.iter().map(place).collect();
        words.push(format!("from {}", places.join(" or ")));
    }
    words.join(", ")
}

pub(crate) fn provider_name<'t>(table: &'t Table, demand: &Demand) -> &'t str {
    let provider = table.providers.get(demand.provider.0 as usize);
    provider.map_or("", |provider| &provider.name)
}

/// What is asked for besides being known to the provider.
pub(crate) fn requirements(demand: &Demand) -> Vec<String> {
    let mut words: Vec<_> = demand
        .scopes
        .iter()
        .map(|scope| format!("scope {scope}"))
        .collect();
    if !demand.roles.is_empty() {
        words.push(format!("role {}", demand.roles.join(" or ")));
    }
    words.extend(
        demand
            .claims
            .iter()
            .map(|it| format!("{} = {}", it.claim, it.values.join(" or "))),
    );
    words
}

fn place(place: &Place) -> String {
    match place {
        Place::Bearer => "bearer".to_owned(),
        Place::Header(name) => format!("header:{name}"),
        Place::Cookie(name) => format!("cookie:{name}"),
        Place::Query(name) => format!("query:{name}"),
    }
}
