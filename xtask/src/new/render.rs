//! The templates with their gaps filled. They lie in `xtask/templates`.

use std::path::Path;

use super::names::Names;
use super::protocols::Protocol;

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Driver,
    Service,
    Protocol,
}

impl Kind {
    /// Where in the repository it goes.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Driver => "drivers",
            Self::Service => "userland/services",
            Self::Protocol => "userland/ipc/src",
        }
    }

    const fn library(self) -> &'static str {
        match self {
            Self::Driver => include_str!("../../templates/driver/lib.rs"),
            Self::Service => include_str!("../../templates/service/lib.rs"),
            Self::Protocol => include_str!("../../templates/protocol/lib.rs"),
        }
    }

    const fn program(self) -> &'static str {
        match self {
            Self::Driver => include_str!("../../templates/driver/main.rs"),
            Self::Service => include_str!("../../templates/service/main.rs"),
            Self::Protocol => "",
        }
    }

    const fn component(self) -> &'static str {
        match self {
            Self::Driver => include_str!("../../templates/driver/component.toml"),
            Self::Service => include_str!("../../templates/service/component.toml"),
            Self::Protocol => "",
        }
    }

    /// The crates of Tutti that it stands on: names, packages, folders.
    const fn dependencies(self) -> &'static [(&'static str, &'static str, &'static str)] {
        const IPC: (&str, &str, &str) = ("ipc", "tutti-ipc", "userland/ipc");
        const KIT: (&str, &str, &str) = ("kit", "tutti-kit", "drivers/kit");
        const RT: (&str, &str, &str) = ("rt", "tutti-rt", "userland/rt");
        match self {
            Self::Driver => &[IPC, KIT, RT],
            Self::Service | Self::Protocol => &[IPC, RT],
        }
    }
}

/// A template and what goes into its gaps.
pub struct Template<'a> {
    pub kind: Kind,
    pub names: &'a Names,
    pub protocol: &'a Protocol,
    /// Of a driver's device.
    pub compatible: &'a str,
    /// Of a crate outside: where Tutti lies.
    pub checkout: Option<&'a Path>,
}

impl Template<'_> {
    /// `Cargo.toml`.
    pub fn manifest(&self) -> String {
        let text = match self.checkout {
            None => include_str!("../../templates/inside.toml"),
            Some(_) => include_str!("../../templates/outside.toml"),
        };
        self.fill(&text.replace("{{component}}\n", &self.component()).replace("{{dependencies}}", &self.dependencies()))
    }

    /// `src/lib.rs`.
    pub fn library(&self) -> String {
        self.fill(self.kind.library())
    }

    /// `src/main.rs`.
    pub fn program(&self) -> String {
        self.fill(self.kind.program())
    }

    fn component(&self) -> String {
        let text = self.kind.component();
        if text.is_empty() { String::new() } else { format!("{text}\n") }
    }

    fn dependencies(&self) -> String {
        let own = self.kind.dependencies().iter().map(|(name, package, folder)| match self.checkout {
            None => format!("{name}.workspace = true\n"),
            Some(root) => {
                let path = toml::Value::String(root.join(folder).display().to_string());
                format!("{name} = {{ path = {path}, package = \"{package}\" }}\n")
            }
        });
        let log = match (self.kind, self.checkout) {
            (Kind::Protocol, _) => "",
            (_, None) => "log.workspace = true\n",
            (_, Some(_)) => "log = { version = \"0.4\", default-features = false }\n",
        };
        own.chain([log.to_owned()]).collect()
    }

    /// The type that serves. It does not have the name of what it serves.
    fn type_name(&self) -> String {
        let name = self.names.camel();
        match self.kind {
            _ if name != self.protocol.service => name,
            Kind::Driver => name + "Device",
            _ => name + "State",
        }
    }

    fn about(&self) -> String {
        match self.kind {
            Kind::Driver => format!("A driver of {}", self.compatible),
            Kind::Service => format!("A service of {}", self.protocol.name),
            Kind::Protocol => format!("The protocol {}", self.protocol.name),
        }
    }

    fn fill(&self, text: &str) -> String {
        let library = self.names.library();
        let modules = if self.protocol.text().is_some() { "\nextern crate alloc;\n\npub mod protocol;\n" } else { "" };
        let imports = self.protocol.imports();
        let gaps: [(&str, &str); 12] = [
            ("name", &self.names.package),
            ("crate", &library),
            ("about", &self.about()),
            ("compatible", self.compatible),
            ("protocol", &self.protocol.name),
            ("protocol_path", &self.protocol.path(&library)),
            ("protocol_path_inside", &self.protocol.path("crate")),
            ("Trait", &self.protocol.service),
            ("Type", &self.type_name()),
            ("imports", imports.trim_end()),
            ("methods", &self.protocol.methods),
            ("modules", modules),
        ];
        gaps.iter().fold(text.to_owned(), |text, (gap, filling)| text.replace(&format!("{{{{{gap}}}}}"), filling))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rustfmt::{Style, format};
    use crate::workspace::Workspace;

    #[test]
    fn no_gap_stays_open() {
        let workspace = Workspace::find().expect("a workspace");
        let names = Names::new(&workspace, "power-button").expect("a name");
        let own = Protocol::own("power-button").expect("a protocol");
        for kind in [Kind::Driver, Kind::Service, Kind::Protocol] {
            for (checkout, protocol) in [(None, own.clone().in_ipc()), (Some(Path::new("/some where")), own.clone())] {
                let template =
                    Template { kind, names: &names, protocol: &protocol, compatible: "acme,button", checkout };
                let manifest: toml::Table = toml::from_str(&template.manifest()).expect("a manifest");
                assert_eq!(manifest["package"]["name"].as_str(), Some("power-button"));
                for text in [template.manifest(), template.library(), template.program()] {
                    assert!(!text.contains("{{"), "{text}");
                }
                format(&template.library(), Style::Project).expect("a library");
                format(&template.program(), Style::Project).expect("a program");
            }
        }
    }
}
