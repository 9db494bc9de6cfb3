//! Paths: absolute, one `/` between names, no `.` and no `..`.

use alloc::string::String;
use alloc::vec::Vec;

/// The absolute path of `path`, seen from the directory `from`. Above the root is the root.
pub fn resolve(from: &str, path: &str) -> String {
    let base = if path.starts_with('/') { "" } else { from };
    let mut names: Vec<&str> = Vec::new();
    for name in base.split('/').chain(path.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    let mut out = String::from("/");
    out.push_str(&names.join("/"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_resolved() {
        for (from, path, want) in [
            ("/", "", "/"),
            ("/", "a", "/a"),
            ("/a b", "c/./d/", "/a b/c/d"),
            ("/a/b", "..", "/a"),
            ("/a/b", "../../../c", "/c"),
            ("/a/b", "/x//y", "/x/y"),
            ("/ä", "../ö", "/ö"),
        ] {
            assert_eq!(resolve(from, path), want, "{from} {path}");
        }
    }
}
