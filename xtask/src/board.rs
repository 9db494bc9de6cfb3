//! A board: a folder of data in `board/`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::component::{self, Description};
use crate::crates::CrateTable;
use crate::qemu::BusName;
use crate::workspace::Workspace;

/// Protocols that init itself serves.
pub const BY_INIT: [&str; 3] = ["broker", "log", "supervisor"];

/// `board/NAME/board.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Board {
    /// The name of its folder.
    #[serde(skip)]
    pub name: String,
    /// Its folder.
    #[serde(skip)]
    pub folder: PathBuf,
    /// Crates outside of the repository whose components it has.
    #[serde(default)]
    pub crates: BTreeMap<String, CrateTable>,
    /// What its device tree calls the machine, by which `port` knows it.
    pub compatible: Option<String>,
    /// How far it was seen to work: 0, its tree was read; 1, its drivers were tested on fakes; 2, it is emulated; 3, seen on hardware.
    #[serde(default)]
    pub tier: u8,
    /// On which hardware, of tier 3.
    #[serde(default)]
    pub seen: Vec<SeenTable>,
    /// Which of the sets in `tests/sets.toml` it has: their names, or `*` for all.
    #[serde(default)]
    pub test_sets: Vec<String>,
    /// The emulated machine, if it is emulated.
    pub machine: Option<MachineTable>,
    /// What every bundle of this board holds.
    pub components: ComponentTable,
    /// Authority that the board gives, by component.
    #[serde(default)]
    pub grants: BTreeMap<String, Vec<String>>,
    /// On which core a component runs, where it is not core 0.
    #[serde(default)]
    pub cores: BTreeMap<String, u8>,
    /// Further bundles, by name.
    #[serde(default)]
    pub sets: BTreeMap<String, SetTable>,
}

/// A run on hardware.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SeenTable {
    /// Who saw it.
    pub by: String,
    /// The day, as `2027-01-31`.
    pub date: String,
    /// Where the log of the run is: a file of the folder, or an address.
    pub log: String,
}

/// How the board is emulated.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MachineTable {
    /// QEMU's name for it.
    pub model: String,
    /// The core, where the machine leaves a choice.
    pub cpu: Option<String>,
    /// How many cores.
    pub smp: u32,
    /// Memory.
    pub memory: String,
    /// Version of the interrupt controller, where the machine leaves a choice.
    pub gic: Option<u8>,
    /// Its device tree, where it is not the one that the emulator makes: a file of the folder, or else the file's name in Debian's package
    /// of the kernel for arm64.
    pub tree: Option<String>,
    /// Overlays that go on top of the tree, in this order: files of the folder, `.dtbo` or source (`.dtso`).
    #[serde(default)]
    pub overlays: Vec<PathBuf>,
    /// Which of the emulator's serial lines is the console.
    #[serde(default)]
    pub serial: u8,
    /// Where its virtio devices are, if nobody says otherwise; those on PCI are behind an SMMU.
    #[serde(default)]
    pub bus: BusName,
    /// Slots of virtio-mmio in the order of use.
    #[serde(default)]
    pub virtio_slots: Vec<u32>,
    /// The emulator's numbers of the slots for SD cards, in the order of use. Where there are any, disks are cards.
    #[serde(default)]
    pub sd_slots: Vec<u32>,
}

/// The components of a bundle.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ComponentTable {
    /// In the order in which init starts them.
    pub list: Vec<String>,
}

/// A further bundle.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SetTable {
    /// Components beside those of the board.
    #[serde(default)]
    pub add: Vec<String>,
    /// Components of the board that this bundle leaves out.
    #[serde(default)]
    pub without: Vec<String>,
    /// Grants beside those of the board.
    #[serde(default)]
    pub grants: BTreeMap<String, Vec<String>>,
    /// Cores beside those of the board.
    #[serde(default)]
    pub cores: BTreeMap<String, u8>,
    /// Memory of components, in the place of what their manifests say.
    #[serde(default)]
    pub memory: BTreeMap<String, String>,
}

/// What goes into one bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Names, in the order of starting.
    pub components: Vec<String>,
    /// Grants, by component.
    pub grants: BTreeMap<String, Vec<String>>,
    /// Cores other than 0, by component.
    pub cores: BTreeMap<String, u8>,
    /// Bytes of memory other than the manifest's, by component.
    pub memory: BTreeMap<String, u64>,
}

/// Whether a folder is one of the repository's.
fn is_inside(workspace: &Workspace, folder: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).ok();
    real(folder).zip(real(&workspace.root)).is_some_and(|(folder, root)| folder.starts_with(root))
}

/// The sets of `tests/sets.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TestSets {
    sets: BTreeMap<String, SetTable>,
}

/// The folders of board/.
pub fn names(workspace: &Workspace) -> Vec<String> {
    let entries = fs::read_dir(workspace.root.join("board")).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.path().join("board.toml").is_file());
    let mut names: Vec<_> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

impl Board {
    /// Reads a board's file: that of a folder of `board/`, or of any other by its path.
    pub fn read(workspace: &Workspace, name: &str) -> Result<Self> {
        let is_path = name.contains(['/', '.']);
        let folder = if is_path { PathBuf::from(name) } else { workspace.root.join("board").join(name) };
        let file = folder.join("board.toml");
        let text = fs::read_to_string(&file).with_context(|| {
            let boards = names(workspace).join(", ");
            format!(
                "there is no board {name:?}: cannot read {}; there are {boards}, and any folder by its path",
                file.display()
            )
        })?;
        let mut board: Self = toml::from_str(&text).with_context(|| format!("{}", file.display()))?;
        let last =
            fs::canonicalize(&folder).ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
        board.name = last.unwrap_or_else(|| name.into());
        board.folder = fs::canonicalize(&folder).unwrap_or_else(|_| folder.clone());
        let own = is_path && names(workspace).contains(&board.name);
        ensure!(!own || is_inside(workspace, &folder), "{}: board/ has a board of that name already", folder.display());
        board.check_tier().with_context(|| format!("{}: tier", file.display()))?;
        board.take_test_sets(workspace).with_context(|| format!("{}: test-sets", file.display()))?;
        Ok(board)
    }

    /// Every board of the repository.
    pub fn all(workspace: &Workspace) -> Result<Vec<Self>> {
        names(workspace).iter().map(|name| Self::read(workspace, name)).collect()
    }

    /// Nobody says more than was seen.
    fn check_tier(&self) -> Result<()> {
        ensure!(self.tier <= 3, "{} is more than 3", self.tier);
        ensure!(self.tier != 2 || self.machine.is_some(), "2 is for what is emulated, and there is no [machine]");
        let whole = |seen: &SeenTable| ![&seen.by, &seen.date, &seen.log].iter().any(|word| word.is_empty());
        let proven = !self.seen.is_empty() && self.seen.iter().all(whole);
        ensure!(self.tier != 3 || proven, "3 is for what was seen on hardware: seen = [{{ by, date, log }}]");
        Ok(())
    }

    fn take_test_sets(&mut self, workspace: &Workspace) -> Result<()> {
        let file = workspace.root.join("tests/sets.toml");
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let TestSets { mut sets } = toml::from_str(&text).with_context(|| format!("{}", file.display()))?;
        if !self.test_sets.iter().any(|name| name == "*") {
            let unknown = self.test_sets.iter().find(|name| !sets.contains_key(*name));
            ensure!(unknown.is_none(), "there is no set {:?} in {}", unknown.unwrap_or(&self.name), file.display());
            sets.retain(|name, _| self.test_sets.contains(name));
        }
        let twice = sets.keys().find(|name| self.sets.contains_key(*name));
        ensure!(twice.is_none(), "the set {:?} is one of the tests'", twice.unwrap_or(&self.name));
        self.sets.extend(sets);
        Ok(())
    }

    /// What goes into the board's own bundle, or into one of its sets.
    pub fn selection(&self, set: Option<&str>) -> Result<Selection> {
        let mut components = self.components.list.clone();
        let mut grants = self.grants.clone();
        let mut cores = self.cores.clone();
        let mut memory = BTreeMap::new();
        if let Some(name) = set {
            let set = self.sets.get(name).with_context(|| {
                let sets: Vec<_> = self.sets.keys().map(String::as_str).collect();
                format!("board {} has no set {name:?}; it has {}", self.name, sets.join(", "))
            })?;
            components.retain(|component| !set.without.contains(component));
            components.extend(set.add.iter().cloned());
            cores.extend(set.cores.iter().map(|(component, &core)| (component.clone(), core)));
            for (component, text) in &set.memory {
                memory.insert(component.clone(), component::bytes(text).context("memory")?);
            }
            for (component, authority) in &set.grants {
                grants.entry(component.clone()).or_default().extend(authority.iter().cloned());
            }
        }
        grants.retain(|component, _| components.contains(component));
        cores.retain(|component, _| components.contains(component));
        memory.retain(|component, _| components.contains(component));
        Ok(Selection { components, grants, cores, memory })
    }

    /// As [`Self::selection`]; what a set adds gets the devices that it drives.
    pub fn arranged(&self, set: Option<&str>, known: &BTreeMap<String, Description>) -> Result<Selection> {
        let mut selection = self.selection(set)?;
        let added = set.and_then(|name| self.sets.get(name)).map_or(&[][..], |set| &set.add);
        added.iter().for_each(|name| selection.add(name, known));
        Ok(selection)
    }

    /// Every component of every bundle. They are built together, so that it does not depend on the verb which features
    /// a shared crate is built with.
    pub fn all_components(&self) -> BTreeSet<&str> {
        let sets = self.sets.values().flat_map(|set| &set.add);
        self.components.list.iter().chain(sets).map(String::as_str).collect()
    }
}

impl Selection {
    /// Takes a component in, in front of what drives the same device, as the first of the bundle gets it; else at the end.
    pub fn add(&mut self, name: &str, known: &BTreeMap<String, Description>) {
        self.components.retain(|other| other != name);
        let drives = known.get(name).map_or(&[][..], |it| &it.manifest.drives);
        let same = |other: &String| {
            known.get(other).is_some_and(|other| other.manifest.drives.iter().any(|it| drives.contains(it)))
        };
        let place = self.components.iter().position(same).unwrap_or(self.components.len());
        self.components.insert(place, name.into());
    }

    /// Refuses what could not work: an unknown component, a use that nothing provides, a cycle of synchronous calls, a
    /// request without a grant.
    pub fn check(&self, known: &BTreeMap<String, Description>) -> Result<()> {
        let mut chosen = Vec::new();
        for name in &self.components {
            let description = known.get(name).with_context(|| {
                format!("no crate has a component {name:?}: it needs [package.metadata.component] in its Cargo.toml")
            })?;
            ensure!(!chosen.iter().any(|other: &&Description| other.name == *name), "component {name} is listed twice");
            chosen.push(description);
        }
        check_uses(&chosen)?;
        check_cycles(&chosen)?;
        self.check_requests(&chosen)
    }

    fn check_requests(&self, chosen: &[&Description]) -> Result<()> {
        for description in chosen {
            let granted = self.grants.get(&description.name).map_or(&[][..], Vec::as_slice);
            if let Some(request) = description.manifest.requests.iter().find(|request| !granted.contains(request)) {
                bail!(
                    "{}: {} requests {request:?}, which the board does not grant: [grants] {} = [{request:?}] in \
                     board.toml would",
                    description.file.display(),
                    description.name,
                    description.name
                );
            }
        }
        Ok(())
    }
}

fn check_uses(chosen: &[&Description]) -> Result<()> {
    for description in chosen {
        // All of a protocol may be none.
        for used in description.manifest.uses.iter().filter(|used| !used.ends_with('*')) {
            if !BY_INIT.contains(&used.as_str()) && provider(chosen, used).is_none() {
                bail!(
                    "{}: {} uses {used:?}, which nothing in this bundle provides",
                    description.file.display(),
                    description.name
                );
            }
        }
    }
    Ok(())
}

/// A component that waits for one that waits for it would wait for ever.
fn check_cycles(chosen: &[&Description]) -> Result<()> {
    let mut done = BTreeSet::new();
    for description in chosen {
        follow(chosen, description, &mut Vec::new(), &mut done)?;
    }
    Ok(())
}

fn follow<'a>(
    chosen: &[&'a Description],
    from: &'a Description,
    path: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
) -> Result<()> {
    if let Some(start) = path.iter().position(|name| *name == from.name) {
        path.push(&from.name);
        bail!("synchronous calls form a cycle: {}", path[start..].join(" → "));
    }
    if !done.insert(&from.name) {
        return Ok(());
    }
    path.push(&from.name);
    for used in from.manifest.uses.iter().map(|used| component::protocol(used)) {
        for other in chosen.iter().filter(|other| other.manifest.provides.iter().any(|provided| provided == used)) {
            follow(chosen, other, path, done)?;
        }
    }
    path.pop();
    Ok(())
}

fn provider<'a>(chosen: &[&'a Description], protocol: &str) -> Option<&'a Description> {
    chosen.iter().copied().find(|other| other.manifest.provides.iter().any(|provided| provided == protocol))
}

#[cfg(test)]
mod tests {
    use bundle::Restart;
    use bundle::write::Manifest;

    use super::*;

    fn description(name: &str, provides: &[&str], uses: &[&str], requests: &[&str]) -> (String, Description) {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let manifest = Manifest {
            provides: words(provides),
            uses: words(uses),
            drives: Vec::new(),
            memory: 0,
            stack: 16384,
            table: 64,
            priority: 100,
            restart: Restart::Once,
            budget: None,
            dma: false,
            fpu: false,
            needs: Vec::new(),
            requests: words(requests),
        };
        let description = Description {
            name: name.into(),
            package: name.into(),
            file: format!("{name}/Cargo.toml").into(),
            manifest,
        };
        (name.into(), description)
    }

    fn check(descriptions: &[(String, Description)], grants: &[(&str, &str)]) -> Result<(), String> {
        let known = descriptions.iter().cloned().collect();
        let components = descriptions.iter().map(|(name, _)| name.clone()).collect();
        let grants = grants.iter().map(|(name, grant)| ((*name).into(), vec![(*grant).into()])).collect();
        Selection { components, grants, cores: BTreeMap::new(), memory: BTreeMap::new() }
            .check(&known)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_sound_bundle_passes() {
        let all = [
            description("disk", &["block"], &["log"], &[]),
            description("files", &["file"], &["block*"], &[]),
            description("shell", &[], &["file", "supervisor"], &["power"]),
        ];
        assert_eq!(check(&all, &[("shell", "power")]), Ok(()));
    }

    #[test]
    fn what_nothing_provides_is_refused() {
        let error = check(&[description("files", &[], &["block"], &[])], &[]).expect_err("refused");
        assert!(error.starts_with("files/Cargo.toml: files uses \"block\""), "{error}");
    }

    #[test]
    fn a_cycle_is_refused() {
        let all = [
            description("top", &[], &["one"], &[]),
            description("a", &["one"], &["two"], &[]),
            description("b", &["two"], &["three"], &[]),
            description("c", &["three"], &["one"], &[]),
        ];
        assert_eq!(check(&all, &[]), Err("synchronous calls form a cycle: a → b → c → a".into()));
    }

    #[test]
    fn two_ways_to_the_same_service_are_no_cycle() {
        let all = [
            description("top", &[], &["one", "two"], &[]),
            description("a", &["one"], &["three"], &[]),
            description("b", &["two"], &["three"], &[]),
            description("c", &["three"], &[], &[]),
        ];
        assert_eq!(check(&all, &[]), Ok(()));
    }

    #[test]
    fn a_request_needs_a_grant() {
        let shell = [description("shell", &[], &[], &["power"])];
        assert!(check(&shell, &[("shell", "kill")]).expect_err("refused").contains("requests \"power\""));
        assert!(check(&shell, &[("other", "power")]).is_err());
    }

    #[test]
    fn what_a_set_adds_gets_its_device() {
        let board: Board = toml::from_str(
            r#"
            machine = { model = "virt", cpu = "max", smp = 1, memory = "1G", gic = 3, virtio-slots = [31] }
            components.list = ["shell", "clock", "disk"]
            sets.mine = { add = ["service", "my-clock"] }
            "#,
        )
        .expect("board");
        let drives = |name: &str, compatible: Option<&str>| {
            let (name, mut it) = description(name, &[], &[], &[]);
            let drive = |compatible: &str| bundle::write::Drive { compatible: compatible.into(), id: None };
            it.manifest.drives = compatible.map(drive).into_iter().collect();
            (name, it)
        };
        let all = [
            drives("shell", None),
            drives("clock", Some("arm,pl031")),
            drives("disk", Some("virtio,mmio")),
            drives("service", None),
            drives("my-clock", Some("arm,pl031")),
        ];
        let known = all.into_iter().collect();
        let mine = board.arranged(Some("mine"), &known).expect("a set");
        assert_eq!(mine.components, ["shell", "my-clock", "clock", "disk", "service"]);
        assert_eq!(board.arranged(None, &known).expect("the board's own").components, ["shell", "clock", "disk"]);
    }

    #[test]
    fn a_tier_is_what_was_seen() {
        let check = |text: &str| {
            let board: Board = toml::from_str(&format!("{text}\ncomponents.list = []")).expect("board");
            board.check_tier().map_err(|error| error.to_string())
        };
        assert_eq!(check("tier = 1"), Ok(()));
        assert!(check("tier = 2").unwrap_err().contains("no [machine]"));
        assert!(check("tier = 3").unwrap_err().contains("seen = "));
        assert!(check("tier = 3\nseen = [{ by = \"\", date = \"2027-01-31\", log = \"log\" }]").is_err());
        assert_eq!(check("tier = 3\nseen = [{ by = \"a maker\", date = \"2027-01-31\", log = \"log\" }]"), Ok(()));
    }

    /// The table of boards in the README says of each what its file says.
    #[test]
    fn the_readme_has_each_board_with_its_tier() {
        let workspace = Workspace::find().expect("workspace");
        let text = fs::read_to_string(workspace.root.join("README.md")).expect("README");
        for board in Board::all(&workspace).expect("boards") {
            let row = text.lines().find(|line| line.starts_with(&format!("| `{}` |", board.name)));
            let row = row.unwrap_or_else(|| panic!("the README has no row for {}", board.name));
            assert!(row.ends_with(&format!("| {} |", board.tier)), "{row}: tier {}", board.tier);
            assert!(board.compatible.is_some(), "board/{}: compatible", board.name);
        }
    }

    #[test]
    fn sets_add_and_leave_out() {
        let board: Board = toml::from_str(
            r#"
            machine = { model = "virt", cpu = "max", smp = 1, memory = "1G", gic = 3, virtio-slots = [31] }
            components.list = ["a", "b"]
            grants.a = ["power"]
            sets.bench = { add = ["c"], without = ["a"], grants.c = ["debug"], cores.c = 2 }
            "#,
        )
        .expect("board");
        let selection = board.selection(Some("bench")).expect("set");
        assert_eq!(selection.components, ["b", "c"]);
        assert_eq!(selection.grants.keys().collect::<Vec<_>>(), ["c"]);
        assert_eq!(selection.cores, BTreeMap::from([("c".into(), 2)]));
        assert_eq!(board.all_components().into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert!(board.selection(Some("none")).is_err());
        assert!(toml::from_str::<Board>("colour = 1").is_err());
    }
}
