//! The rules, and what they say about a crate.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use spdx::{Expression, LicenseReq, Licensee, ParseMode};

use super::FILE;
use super::graph::{Crate, Origin, Place};

/// `licences.toml` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    own: String,
    target: AllowTable,
    host: AllowTable,
    #[serde(default)]
    exceptions: Vec<Exception>,
    #[serde(default)]
    duplicates: Vec<Duplicate>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowTable {
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    licence: String,
    r#where: Where,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Duplicate {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Where {
    /// Anywhere.
    Target,
    /// Not on the target.
    Host,
}

/// The rules.
#[derive(Debug)]
pub struct Rules {
    table: Table,
    target: Vec<Licensee>,
    host: Vec<Licensee>,
    /// The licence of each of the table's exceptions.
    excepted: Vec<Licensee>,
}

/// What the rules say about all crates.
#[derive(Debug, Default)]
pub struct Report {
    /// A line for each fault.
    pub refused: Vec<String>,
    /// What is worth knowing and no fault.
    pub noted: Vec<String>,
}

impl Rules {
    /// Reads the rules; an unknown licence or an exception without a reason is refused.
    pub fn parse(text: &str) -> Result<Self> {
        let table: Table = toml::from_str(text)?;
        for exception in &table.exceptions {
            ensure!(!exception.reason.trim().is_empty(), "the exception for {} gives no reason", exception.name);
        }
        for duplicate in &table.duplicates {
            ensure!(!duplicate.reason.trim().is_empty(), "the duplicate {} gives no reason", duplicate.name);
        }
        Ok(Self {
            target: licences(&table.target.allow).context("target.allow")?,
            host: licences(&table.host.allow).context("host.allow")?,
            excepted: table.exceptions.iter().map(|exception| licence(&exception.licence)).collect::<Result<_>>()?,
            table,
        })
    }

    /// Holds all crates against the rules.
    pub fn judge(&self, crates: &[Crate]) -> Report {
        let mut report = Report::default();
        for one in crates {
            report.refused.extend(self.source(one));
            report.refused.extend(self.licence(one));
        }
        self.duplicates(crates, &mut report);
        self.stale(crates, &mut report);
        report
    }

    fn source(&self, one: &Crate) -> Option<String> {
        let Origin::Elsewhere(source) = &one.origin else { return None };
        Some(format!("{}: it comes from {source}, not from crates.io; change {}", shown(one), one.manifest))
    }

    fn licence(&self, one: &Crate) -> Option<String> {
        if one.origin == Origin::Own {
            let own = &self.table.own;
            let differs = one.licence.as_ref() != Some(own);
            return differs.then(|| {
                format!("{}: the project's own crates are under {own}; put it into {}", shown(one), one.manifest)
            });
        }
        let Some(text) = &one.licence else { return self.nameless(one) };
        let expression = match Expression::parse_mode(text, ParseMode::LAX) {
            Ok(expression) => expression,
            Err(error) => {
                return Some(format!("{}: that is no SPDX expression ({}); {}", shown(one), error.reason, remedy(one)));
            }
        };
        let allowed = |required: &LicenseReq| self.allows(one, required);
        if expression.evaluate(allowed) {
            return None;
        }
        let place = match one.place {
            Place::Target => "in programs of the target",
            Place::Host => "in the host's tools",
        };
        Some(format!("{}: not allowed {place}; {}", shown(one), remedy(one)))
    }

    /// A crate without an SPDX expression passes if an exception says what its licence is.
    fn nameless(&self, one: &Crate) -> Option<String> {
        if self.exceptions(one).next().is_some() {
            return None;
        }
        let file = one.licence_file.as_ref().map_or_else(String::new, |file| format!(", only the file {file}"));
        Some(format!("{}{file}; {}", shown(one), remedy(one)))
    }

    fn allows(&self, one: &Crate, required: &LicenseReq) -> bool {
        let allowed = match one.place {
            Place::Target => &self.target,
            Place::Host => &self.host,
        };
        allowed.iter().chain(self.exceptions(one)).any(|licence| licence.satisfies(required))
    }

    fn exceptions(&self, one: &Crate) -> impl Iterator<Item = &Licensee> {
        let (name, place) = (one.name.clone(), one.place);
        let all = self.table.exceptions.iter().zip(&self.excepted);
        let holds = move |exception: &Exception| {
            exception.name == name && (place == Place::Host || exception.r#where == Where::Target)
        };
        all.filter(move |(exception, _)| holds(exception)).map(|(_, licence)| licence)
    }

    /// Crates in several versions cost memory on the target; on the host they cost time to build.
    fn duplicates(&self, crates: &[Crate], report: &mut Report) {
        let mut by_name: BTreeMap<&str, Vec<&Crate>> = BTreeMap::new();
        crates.iter().for_each(|one| by_name.entry(&one.name).or_default().push(one));
        for (name, all) in by_name.into_iter().filter(|(_, all)| all.len() > 1) {
            let versions: Vec<String> =
                all.iter().map(|one| format!("{} ({})", one.version, one.path.join(" → "))).collect();
            let line = format!("{name} is there in {} versions: {}", all.len(), versions.join(", "));
            let shipped = all.iter().filter(|one| one.place == Place::Target).count();
            if shipped > 1 && !self.table.duplicates.iter().any(|duplicate| duplicate.name == name) {
                report.refused.push(format!(
                    "{line}; programs of the target carry both: change {}, or say why in {FILE} under [[duplicates]]",
                    all.iter().map(|one| one.manifest.as_str()).collect::<Vec<_>>().join(" or ")
                ));
            } else {
                report.noted.push(line);
            }
        }
    }

    /// What nothing needs any more goes, so that it does not let in what comes later.
    fn stale(&self, crates: &[Crate], report: &mut Report) {
        for exception in &self.table.exceptions {
            let needed = |one: &Crate| {
                let text = one.licence.as_deref().unwrap_or(&exception.licence);
                one.name == exception.name && text.contains(&exception.licence)
            };
            if !crates.iter().any(needed) {
                report.refused.push(format!(
                    "{}: no crate needs the exception for {} any more; take it out of {FILE}",
                    exception.name, exception.licence
                ));
            }
        }
        for duplicate in &self.table.duplicates {
            if crates.iter().filter(|one| one.name == duplicate.name).count() < 2 {
                report.refused.push(format!("{}: it is no duplicate any more; take it out of {FILE}", duplicate.name));
            }
        }
    }
}

fn licences(names: &[String]) -> Result<Vec<Licensee>> {
    names.iter().map(|name| licence(name)).collect()
}

fn licence(name: &str) -> Result<Licensee> {
    Licensee::parse(name).with_context(|| format!("{name:?} is no licence that SPDX knows"))
}

/// `fdt 0.1.5, MPL-2.0 (tutti-kernel → tutti-tree → fdt)`.
fn shown(one: &Crate) -> String {
    let licence = one.licence.as_deref().unwrap_or("no licence");
    format!("{} {}, {licence} ({})", one.name, one.version, one.path.join(" → "))
}

fn remedy(one: &Crate) -> String {
    format!("leave it out of {}, or say in {FILE} under [[exceptions]] why it may stay", one.manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"
        own = "MIT OR Apache-2.0"
        target.allow = ["MIT", "Zlib"]
        host.allow = ["MIT", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"]
    "#;

    fn outside(name: &str, licence: Option<&str>, place: Place) -> Crate {
        Crate {
            name: name.into(),
            version: "1.2.3".into(),
            licence: licence.map(Into::into),
            licence_file: None,
            origin: Origin::CratesIo,
            place,
            path: vec!["kernel".into(), name.into()],
            manifest: "kernel/Cargo.toml".into(),
        }
    }

    fn refused(more: &str, crates: &[Crate]) -> Vec<String> {
        Rules::parse(&format!("{RULES}{more}")).expect("rules").judge(crates).refused
    }

    fn on_target(licence: &str) -> bool {
        refused("", &[outside("some", Some(licence), Place::Target)]).is_empty()
    }

    #[test]
    fn expressions_are_read_as_spdx_says() {
        assert!(on_target("MIT") && on_target("Apache-2.0 OR MIT") && on_target("MIT/Apache-2.0"));
        assert!(on_target("(MIT OR GPL-3.0-only) AND Zlib"));
        assert!(!on_target("GPL-3.0-only") && !on_target("MIT AND GPL-3.0-only") && !on_target("Apache-2.0"));
        assert!(!on_target("MIT OR") && !on_target("Proprietary"));
        let host = |licence| refused("", &[outside("some", Some(licence), Place::Host)]).is_empty();
        assert!(host("Apache-2.0 WITH LLVM-exception OR GPL-2.0-only"));
        assert!(!host("Apache-2.0") && !host("Zlib"), "the two lists are apart");
    }

    #[test]
    fn a_refusal_names_crate_version_licence_and_file() {
        let [line] = &refused("", &[outside("some", Some("GPL-3.0-only"), Place::Target)])[..] else { panic!("one") };
        for part in ["some 1.2.3", "GPL-3.0-only", "kernel → some", "kernel/Cargo.toml", FILE] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }

    #[test]
    fn a_crate_without_a_licence_is_refused_until_an_exception_says_which_it_has() {
        let mut one = outside("some", None, Place::Target);
        one.licence_file = Some("COPYING".into());
        let lines = refused("", std::slice::from_ref(&one));
        assert!(lines[0].contains("no licence") && lines[0].contains("COPYING"), "{lines:?}");
        let exception = r#"exceptions = [{ crate = "some", licence = "ISC", where = "target", reason = "read" }]"#;
        assert!(refused(exception, &[one]).is_empty());
    }

    #[test]
    fn an_exception_holds_for_its_crate_in_its_place_and_is_needed() {
        let exception = r#"exceptions = [{ crate = "some", licence = "MPL-2.0", where = "host", reason = "why" }]"#;
        assert!(refused(exception, &[outside("some", Some("MPL-2.0"), Place::Host)]).is_empty());
        assert_eq!(refused(exception, &[outside("some", Some("MPL-2.0"), Place::Target)]).len(), 1);
        assert_eq!(refused(exception, &[outside("other", Some("MPL-2.0"), Place::Host)]).len(), 2);
        assert!(refused(exception, &[outside("some", Some("MIT"), Place::Host)])[0].contains("no crate needs"));
    }

    #[test]
    fn what_is_not_from_crates_io_is_refused_under_any_licence() {
        let one = Crate { origin: Origin::Elsewhere("git+x".into()), ..outside("some", Some("MIT"), Place::Host) };
        assert!(refused("", &[one])[0].contains("git+x"));
    }

    #[test]
    fn own_crates_are_under_the_projects_licence() {
        let own = |licence| Crate { origin: Origin::Own, ..outside("kernel", licence, Place::Target) };
        assert!(refused("", &[own(Some("MIT OR Apache-2.0"))]).is_empty());
        assert_eq!(refused("", &[own(Some("MIT")), own(None)]).len(), 3, "and a duplicate");
    }

    #[test]
    fn two_versions_are_refused_on_the_target_and_noted_on_the_host() {
        let one = |version: &str, place| Crate { version: version.into(), ..outside("some", Some("MIT"), place) };
        let twice = [one("1.0.0", Place::Target), one("2.0.0", Place::Target)];
        assert!(refused("", &twice)[0].contains("2 versions: 1.0.0 (kernel → some), 2.0.0"));
        let allowed = r#"duplicates = [{ crate = "some", reason = "why" }]"#;
        assert!(refused(allowed, &twice).is_empty());
        assert_eq!(refused(allowed, &twice[..1]).len(), 1, "stale");
        let report =
            Rules::parse(RULES).expect("rules").judge(&[one("1.0.0", Place::Target), one("2.0.0", Place::Host)]);
        assert_eq!((report.refused.len(), report.noted.len()), (0, 1));
    }

    #[test]
    fn rules_that_make_no_sense_are_refused() {
        let error = |text: &str| format!("{:#}", Rules::parse(text).expect_err("refused"));
        assert!(error(&RULES.replace("Zlib", "Zlibb")).contains("Zlibb"));
        assert!(error(&format!("{RULES}colour = 1")).contains("colour"));
        let silent = r#"exceptions = [{ crate = "some", licence = "ISC", where = "host", reason = " " }]"#;
        assert!(error(&format!("{RULES}{silent}")).contains("some gives no reason"));
    }
}
