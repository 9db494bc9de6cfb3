//! Names: checked once, and in the forms in which they are written.

use anyhow::{Context, Result, bail, ensure};

use crate::workspace::Workspace;

/// Names under which crates know each other.
const TAKEN: [&str; 9] = ["abi", "alloc", "core", "ipc", "kit", "log", "rt", "std", "test"];
/// Longest name of a component: it is written into slots of 24 bytes.
const LONGEST: usize = 16;

/// The name of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// `power-button`: of the package, the program and the component.
    pub package: String,
}

impl Names {
    /// Checks a name that a person typed.
    pub fn new(workspace: &Workspace, name: &str) -> Result<Self> {
        check(name, LONGEST)?;
        let packages = &workspace.metadata.packages;
        if TAKEN.contains(&name) || packages.iter().any(|package| package.name.as_str() == name) {
            bail!("{name:?} is the name of another crate");
        }
        Ok(Self { package: name.into() })
    }

    /// `power_button`: of the library.
    pub fn library(&self) -> String {
        snake(&self.package)
    }

    /// `PowerButton`: of the type.
    pub fn camel(&self) -> String {
        camel(&self.package)
    }
}

/// A name of letters, digits and -, which is no word of Rust's either.
pub fn check(name: &str, longest: usize) -> Result<()> {
    let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let shape = letters && name.starts_with(|first: char| first.is_ascii_lowercase()) && !name.ends_with('-');
    ensure!(
        shape && !name.contains("--"),
        "{name:?}: a name begins with a letter (a to z), and has letters, digits and single -"
    );
    ensure!(name.len() <= longest, "{name:?}: a name has at most {longest} bytes");
    syn::parse_str::<syn::Ident>(&snake(name)).map(drop).with_context(|| format!("{name:?} is a word of Rust's"))
}

/// What stands in a device tree: one word that can stand in quotes.
pub fn check_compatible(text: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'`' | b'{' | b'}');
    ensure!(
        !text.is_empty() && text.bytes().all(plain),
        "--compatible {text:?}: it is what the tree says, one word such as arm,pl031"
    );
    Ok(())
}

/// `power-button` as `power_button`.
pub fn snake(name: &str) -> String {
    name.replace('-', "_")
}

/// `power-button` as `PowerButton`.
pub fn camel(name: &str) -> String {
    name.split('-').map(capital).collect()
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words() {
        for good in ["pl031", "power-button", "a"] {
            assert!(check(good, 16).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a--b", "3com", "Clock", "a_b", "loop", "a b", "../a", "seventeen-letters"] {
            assert!(check(bad, 16).is_err(), "{bad}");
        }
        assert_eq!((camel("power-button"), snake("power-button")), ("PowerButton".into(), "power_button".into()));
    }

    #[test]
    fn names_of_other_crates_are_taken() {
        let workspace = Workspace::find().expect("a workspace");
        assert!(Names::new(&workspace, "pl011").is_err() && Names::new(&workspace, "kit").is_err());
        assert!(Names::new(&workspace, "core").is_err(), "every crate has it already");
        assert!(Names::new(&workspace, "some-device").is_ok());
    }

    #[test]
    fn what_a_tree_says_is_one_word() {
        assert!(check_compatible("arm,pl031").is_ok() && check_compatible("virtio,mmio#2").is_ok());
        for bad in ["", "arm, pl031", "a\"b", "a\nb"] {
            assert!(check_compatible(bad).is_err(), "{bad}");
        }
    }
}
