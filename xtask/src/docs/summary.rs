//! `docs/SUMMARY.md` lists every page of the book, once.

use super::page::Page;

pub fn check(pages: &[Page], wrong: &mut Vec<String>) {
    let Some(summary) = pages.iter().find(|page| page.name == "docs/SUMMARY.md") else {
        return wrong.push("docs/SUMMARY.md is missing".into());
    };
    for page in pages.iter().filter(|page| page.is_in_book()) {
        let link = page.name.trim_start_matches("docs/");
        match summary.links.iter().filter(|(_, target)| target == link).count() {
            1 => {}
            0 => wrong.push(format!("docs/SUMMARY.md: {link} is not listed")),
            _ => wrong.push(format!("docs/SUMMARY.md: {link} is listed twice")),
        }
    }
}
