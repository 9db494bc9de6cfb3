//! Images by their published layout, and what is said of trees.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// A small tree with a console that is known, and a device that is not.
fn tree(model: &str) -> Vec<u8> {
    let mut tree = tree_writer::Builder::new();
    tree.texts("model", &[model]).texts("compatible", &["maker,phone"]);
    tree.begin("chosen").texts("stdout-path", &["/serial@1000"]).end();
    tree.begin("serial@1000").texts("compatible", &["qcom,geni-debug-uart"]).cells("reg", &[0, 0x1000, 0x4000]).end();
    tree.begin("uart@2000").texts("compatible", &["maker,pl01"]).cells("reg", &[0, 0x2000, 0x1000]).end();
    tree.finish()
}

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tutti-port-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let file = self.0.join(name);
        fs::write(&file, bytes).unwrap();
        file
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn model(file: &Path, number: Option<usize>) -> Result<String, String> {
    let input = input::read(file, number, &|| anyhow::bail!("no trees")).map_err(|error| format!("{error:#}"))?;
    Ok(::tree::Tree::parse(&input.bytes).unwrap().model().unwrap_or_default().to_owned())
}

fn put(image: &mut [u8], at: usize, value: usize) {
    image[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
}

/// A header of `page` bytes and the parts behind it, each from a page on.
fn image(magic: &[u8], page: usize, header: usize, words: &[(usize, usize)], parts: &[&[u8]]) -> Vec<u8> {
    let mut image = vec![0; header.next_multiple_of(page)];
    image[..8].copy_from_slice(magic);
    words.iter().for_each(|&(at, value)| put(&mut image, at, value));
    for part in parts {
        image.extend_from_slice(part);
        image.resize(image.len().next_multiple_of(page), 0);
    }
    image
}

/// One of each kind that Android has, with the trees named in order.
fn images() -> Vec<(&'static str, Vec<u8>, usize)> {
    let (one, two) = (tree("one"), tree("two"));
    let kernel = vec![0x55; 5000];
    let appended = [kernel.as_slice(), &one, &two].concat();
    let both = [one.as_slice(), &two].concat();
    let ramdisk = vec![0xaa; 3000];
    let boot = b"ANDROID!";
    vec![
        ("v0", image(boot, 2048, 1, &[(8, appended.len()), (16, 3000), (36, 2048)], &[&appended, &ramdisk]), 2),
        (
            "v1",
            image(boot, 4096, 1, &[(8, appended.len()), (16, 3000), (36, 4096), (40, 1)], &[&appended, &ramdisk]),
            2,
        ),
        (
            "v2",
            image(
                boot,
                2048,
                1,
                &[(8, 5000), (16, 3000), (36, 2048), (40, 2), (1648, one.len())],
                &[&kernel, &ramdisk, &one],
            ),
            1,
        ),
        (
            "table",
            image(boot, 2048, 1, &[(8, 5000), (16, 3000), (36, 2048), (40, both.len())], &[&kernel, &ramdisk, &both]),
            2,
        ),
        ("v4", image(boot, 4096, 1, &[(8, appended.len()), (12, 3000), (40, 4)], &[&appended, &ramdisk]), 2),
        (
            "vendor",
            image(
                b"VNDRBOOT",
                4096,
                2128,
                &[(8, 4), (12, 4096), (24, 3000), (2096, 2128), (2100, both.len())],
                &[&ramdisk, &both],
            ),
            2,
        ),
    ]
}

#[test]
fn trees_are_found_in_every_kind_of_image() {
    let scratch = Scratch::new("images");
    for (name, bytes, trees) in images() {
        let file = scratch.put(name, &bytes);
        assert_eq!(model(&file, Some(1)).as_deref(), Ok("one"), "{name}");
        if trees == 2 {
            assert_eq!(model(&file, Some(2)).as_deref(), Ok("two"), "{name}");
            let error = model(&file, None).unwrap_err();
            assert!(error.contains("--tree 2   two (maker,phone)"), "{name}: {error}");
        } else {
            assert_eq!(model(&file, None).as_deref(), Ok("one"), "{name}");
        }
        let error = model(&file, Some(trees + 1)).unwrap_err();
        assert!(error.contains(&format!("no number {}", trees + 1)), "{error}");
    }
    assert_eq!(model(&scratch.put("plain", &tree("plain")), None).as_deref(), Ok("plain"));
    let error = model(&scratch.put("nothing", &[7; 100]), None).unwrap_err();
    assert!(error.contains("no device tree"), "{error}");
}

#[test]
fn a_header_says_what_the_boot_loader_takes() {
    let scratch = Scratch::new("loader");
    let read = |file: &Path| input::read(file, Some(1), &|| anyhow::bail!("no trees")).unwrap();
    let places = images().into_iter().map(|(name, bytes, _)| {
        let loader = read(&scratch.put(name, &bytes)).loader.unwrap();
        (name, loader.header_version, loader.page, loader.tree)
    });
    use report::TreePlace::*;
    let expected = [
        ("v0", Some(0), Some(2048), Some(Appended)),
        ("v1", Some(1), Some(4096), Some(Appended)),
        ("v2", Some(2), Some(2048), Some(Section)),
        ("table", Some(0), Some(2048), Some(Table)),
        ("v4", Some(4), Some(4096), Some(VendorBoot)),
        ("vendor", Some(4), Some(4096), Some(VendorBoot)),
    ];
    assert_eq!(places.collect::<Vec<_>>(), expected);
    assert!(read(&scratch.put("plain", &tree("plain"))).loader.is_none());
}

#[test]
fn a_deviceinfo_names_the_tree_and_what_is_known_of_the_boot_loader() {
    let scratch = Scratch::new("deviceinfo");
    let text = "deviceinfo_arch=\"aarch64\"\ndeviceinfo_dtb=\"maker/phone\"\ndeviceinfo_flash_method=\"fastboot\"\n\
                deviceinfo_generate_bootimg=\"true\"\ndeviceinfo_flash_pagesize=\"4096\"\n";
    let info = scratch.put("deviceinfo", text.as_bytes());
    let linux = scratch.0.join("linux");
    fs::create_dir_all(linux.join("maker")).unwrap();
    let read = |file: &Path| input::read(file, None, &|| Ok(linux.clone())).map_err(|error| format!("{error:#}"));
    assert!(read(&info).err().unwrap().contains("the tree maker/phone is neither beside"));
    fs::write(linux.join("maker/phone.dtb"), tree("Linux' own")).unwrap();
    let model = |input: &input::Input| ::tree::Tree::parse(&input.bytes).unwrap().model().unwrap().to_owned();
    assert_eq!(model(&read(&info).unwrap()), "Linux' own");
    let beside = scratch.put("phone.dtb", &tree("beside"));
    let input = read(&info).unwrap();
    assert_eq!(model(&input), "beside");
    assert!(input.source.kind.contains("deviceinfo"), "{}", input.source.kind);
    // The other way round: what lies beside a tree is looked at.
    let loader = read(&beside).unwrap().loader.unwrap();
    assert_eq!((loader.page, loader.flash.as_deref()), (Some(4096), Some("fastboot")));
    assert_eq!(Some(loader), input.loader);
}

#[test]
fn broken_images_are_errors_and_no_more() {
    let scratch = Scratch::new("broken");
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    for (name, sound, _) in images() {
        for round in 0..200 {
            let mut bytes = sound.clone();
            for _ in 0..1 + random(4) {
                let at = random(if round % 2 == 0 { 48 } else { bytes.len() });
                bytes[at] = random(256) as u8;
            }
            bytes.truncate(sound.len() - if round % 5 == 0 { random(sound.len()) } else { 0 });
            let _ = model(&scratch.put(name, &bytes), Some(1));
            let _ = android::overlays(&bytes);
        }
    }
}

#[test]
fn overlays_are_found_and_counted() {
    let (one, two) = (tree("top one"), tree("top two"));
    let mut image = vec![0u8; 32 + 2 * 32];
    let mut put = |at: usize, value: usize| image[at..at + 4].copy_from_slice(&(value as u32).to_be_bytes());
    for (at, value) in [(0, 0xd7b7_ab1e), (8, 32), (12, 32), (16, 2), (20, 32)] {
        put(at, value);
    }
    for (index, (at, size)) in [(96, one.len()), (96 + one.len(), two.len())].into_iter().enumerate() {
        let entry = 32 + 32 * index;
        [(entry, size), (entry + 4, at), (entry + 8, 7 + index), (entry + 12, 1)]
            .into_iter()
            .for_each(|(at, value)| put(at, value));
    }
    image.extend(one.iter().chain(&two));
    let all = android::overlays(&image).unwrap().unwrap();
    assert_eq!(all.iter().map(|it| (it.id, it.revision)).collect::<Vec<_>>(), [(7, 1), (8, 1)]);
    assert_eq!(&image[all[1].part.clone()], two.as_slice());
    let scratch = Scratch::new("overlays");
    let error = model(&scratch.put("dtbo.img", &image), None).unwrap_err();
    assert!(error.contains("--overlay"), "{error}");
}

#[test]
fn a_name_in_a_tree_is_no_command_to_a_terminal() {
    let workspace = Workspace::find().unwrap();
    let drivers = drivers(&workspace).unwrap();
    let bundle = Bundle::parse(&drivers).unwrap();
    let mut bytes = tree("\u{1b}[2Jphone");
    let name = b"qcom,geni-debug-uart";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
    bytes[at] = 0x1b;
    let report = survey::survey(&bytes, report::Source::default(), &bundle).unwrap();
    let page = page::of(&report, true);
    assert!(!page.contains(|it: char| it.is_control() && it != '\n'), "{page:?}");
    assert!(report.blockers.iter().all(|it| !it.what.contains(char::is_control)), "{:?}", report.blockers);
}

#[test]
fn what_is_missing_is_said_with_what_to_do() {
    let workspace = Workspace::find().unwrap();
    let drivers = drivers(&workspace).unwrap();
    let bundle = Bundle::parse(&drivers).unwrap();
    let report = survey::survey(&tree("phone"), report::Source::default(), &bundle).unwrap();
    let uart = report.console.uart.as_ref().unwrap();
    assert_eq!((uart.node.as_str(), uart.kernel), ("serial@1000", Some("GENI UART")));
    let stops: Vec<&str> = report.blockers.iter().filter(|it| it.stops).map(|it| it.what.as_str()).collect();
    assert_eq!(stops.len(), 2, "{stops:?}");
    assert!(stops[0].contains("interrupt controller") && stops[1].contains("timer"), "{stops:?}");
    let missing: Vec<_> = report.drivers.missing.iter().map(|it| (it.node.as_str(), it.nearest.as_deref())).collect();
    assert_eq!(missing, [("/serial@1000", None), ("/uart@2000", Some("arm,pl011"))]);
    assert!(page::of(&report, false).contains("stops it: no interrupt controller"));
}

#[test]
fn a_first_folder_is_a_board() {
    let workspace = Workspace::find().unwrap();
    let drivers = drivers(&workspace).unwrap();
    let bundle = Bundle::parse(&drivers).unwrap();
    let bytes = tree("phone");
    let report = survey::survey(&bytes, report::Source::default(), &bundle).unwrap();
    let scratch = Scratch::new("folder");
    let folder = scratch.0.join("phone");
    folder::write(&folder, &report, &bytes, &components(&workspace).unwrap()).unwrap();
    let board = crate::board::Board::read(&workspace, &folder.to_string_lossy()).unwrap();
    assert_eq!((board.name.as_str(), board.machine.is_some()), ("phone", false));
    board.selection(None).unwrap().check(&component::all(&workspace).unwrap()).unwrap();
    let error = folder::write(&folder, &report, &bytes, &components(&workspace).unwrap()).unwrap_err().to_string();
    assert!(error.contains("stays as it is"), "{error}");
}
