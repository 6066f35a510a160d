//! The answer, as people read it.

use std::fmt;

use crate::explain::report::{Candidate, Chosen, Origin, Report, Setting, Verdict};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = &self.request;
        write!(f, "{} {}{}", asked.method, asked.host, asked.path)?;
        write!(f, "  from {}", asked.client_ip)?;
        if let Some(generation) = self.generation {
            write!(f, ", generation {generation}")?;
        }
        writeln!(f, "\n")?;
        self.write_candidates(f)?;
        self.write_destination(f)?;
        self.write_settings(f)?;
        self.endpoint
            .as_ref()
            .map_or(Ok(()), |chosen| write_endpoint(f, chosen))
    }
}

impl Report {
    fn write_candidates(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest =
            |width: fn(&Candidate) -> usize| self.candidates.iter().map(width).max().unwrap_or(0);
        let route = widest(|one| one.route.chars().count());
        let at = widest(|one| one.at.chars().count());
        for one in &self.candidates {
            let (sign, said) = match one.verdict {
                Verdict::Takes => ('✓', "takes it"),
                Verdict::Later => ('·', "would take it, but for the row above"),
                Verdict::Fails => ('✗', one.reason.as_deref().unwrap_or("")),
            };
            writeln!(f, "{sign} {:route$}  {:at$}  {said}", one.route, one.at)?;
        }
        if self.omitted > 0 {
            writeln!(f, "… and {} more", self.omitted)?;
        }
        if let Some(miss) = &self.nearest_miss {
            writeln!(f, "nearest: {miss}")?;
        }
        Ok(())
    }

    fn write_destination(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.candidates.is_empty() || self.nearest_miss.is_some() {
            writeln!(f)?;
        }
        if let Some(refused) = &self.refused {
            return writeln!(
                f,
                "→ {} {}: {}",
                refused.status, refused.code, refused.detail
            );
        }
        let Some(to) = &self.to else {
            return Ok(());
        };
        f.write_str("→")?;
        if let (Some(group), Some(stage)) = (&to.group, &to.stage) {
            let at = to.group_at.as_deref().unwrap_or("");
            write!(f, " group {group} ({at}), stage {stage} →")?;
        }
        let shares = to.shares.iter();
        let shares: Vec<_> = shares
            .map(|share| format!("{} {}", share.upstream, share.weight))
            .collect();
        if !shares.is_empty() {
            write!(f, " split {} →", shares.join(", "))?;
        }
        if let (Some(preflight), Some(status)) = (&to.preflight, to.status) {
            writeln!(f, " {status}, {preflight}")?;
            return Ok(());
        }
        match (&to.upstream, to.status) {
            (Some(upstream), _) => {
                let at = to.upstream_at.as_deref().unwrap_or("");
                write!(f, " upstream {upstream} ({at})")?;
                match &to.path {
                    Some(path) => writeln!(f, ", asked for {path}")?,
                    None => writeln!(f)?,
                }
            }
            (None, Some(status)) => match &to.location {
                Some(location) => writeln!(f, " {status} to {location}")?,
                None => writeln!(f, " the table's own answer, {status}")?,
            },
            (None, None) if !shares.is_empty() => writeln!(f, " drawn for each request")?,
            (None, None) => writeln!(f)?,
        }
        if let Some(mirror) = &to.mirror {
            writeln!(f, "  {mirror}")?;
        }
        for (name, value) in self.route.iter().flat_map(|route| &route.params) {
            writeln!(f, "  {{{name}}} = {value}")?;
        }
        Ok(())
    }

    fn write_settings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.settings.is_empty() {
            return Ok(());
        }
        writeln!(f)?;
        let widest = |width: fn(&Setting) -> usize| self.settings.iter().map(width).max();
        let key = widest(|one| one.key.len()).unwrap_or(0);
        let value = widest(|one| one.value.chars().count()).unwrap_or(0);
        for one in &self.settings {
            let origin = match one.origin {
                Origin::Default => "default",
                Origin::Listener => "listener",
                Origin::Upstream => "upstream",
                Origin::Route => "route",
            };
            let at = one.at.as_deref().unwrap_or("");
            let line = format!("  {:key$}  {:value$}  {origin:8} {at}", one.key, one.value);
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn write_endpoint(f: &mut fmt::Formatter<'_>, chosen: &Chosen) -> fmt::Result {
    let panic = if chosen.panic { ", in panic" } else { "" };
    match &chosen.chosen {
        Some(endpoint) => writeln!(f, "\nendpoint {endpoint} by {}{panic}", chosen.policy)?,
        None => writeln!(f, "\nno endpoint is known")?,
    }
    for step in &chosen.steps {
        writeln!(f, "  {}: {} left", step.step, step.left)?;
    }
    let widest = chosen.endpoints.iter().map(|one| one.endpoint.len()).max();
    let name = widest.unwrap_or(0);
    for one in &chosen.endpoints {
        let line = format!(
            "  {:name$}  {:11}  {} in flight  {}",
            one.endpoint, one.state, one.in_flight, one.reason
        );
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}
