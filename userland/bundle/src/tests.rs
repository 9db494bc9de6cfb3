//! Round trips, every limit, and random corruption.

use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use abi::{Perms, layout::PAGE};

use crate::format::{header, record, tag};
use crate::reader::header_crc;
use crate::write::{self, Manifest, Program, Segment};
use crate::{Bundle, BundleError, Drive, Problem, Restart};

fn program() -> Program {
    let segment = |address, bytes, pages, perms| Segment { address, bytes, pages, perms };
    Program {
        entry: 0x20_0004,
        segments: vec![
            segment(0x20_0000, vec![0xaa; 5000], 2, Perms::READ | Perms::EXECUTE),
            segment(0x20_2000, vec![0xbb; 100], 1, Perms::READ),
            segment(0x20_3000, Vec::new(), 3, Perms::READ | Perms::WRITE),
        ],
    }
}

fn manifest() -> Manifest {
    Manifest {
        provides: vec!["block".into()],
        uses: vec!["log".into(), "serial".into()],
        drives: vec![
            write::Drive { compatible: "virtio,mmio".into(), id: Some(2) },
            write::Drive { compatible: "arm,pl011".into(), id: None },
        ],
        memory: 256 * 1024,
        stack: 32 * 1024,
        table: 128,
        priority: 150,
        restart: Restart::Always,
        budget: Some((2000, 10_000)),
        dma: true,
        fpu: true,
        needs: vec!["clocks".into()],
        requests: vec!["power".into(), "kill".into()],
    }
}

fn component(name: &str) -> write::Component {
    write::Component {
        name: name.into(),
        program: program(),
        manifest: manifest(),
        grants: vec!["power".into()],
        core: 3,
    }
}

fn sample() -> Vec<u8> {
    write::bundle(&[component("first"), component("second")]).expect("a good bundle")
}

/// Changes a field and makes the header's CRC right again, so that the field's own check is what refuses it.
fn with_record(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut file = sample();
    change(&mut file[header::BYTES..][..record::BYTES]);
    repair(&mut file);
    file
}

fn repair(file: &mut [u8]) {
    let crc = header_crc(&file[..header::CRC], &file[header::BYTES..header::BYTES + 2 * record::BYTES]);
    file[header::CRC..][..4].copy_from_slice(&crc.to_le_bytes());
}

fn first_problem(file: &[u8]) -> Option<(&'static str, Problem)> {
    match Bundle::parse(file).expect("header").components().next().expect("first") {
        Err(BundleError::Component { field, problem, .. }) => Some((field, problem)),
        _ => None,
    }
}

#[test]
fn what_is_written_is_read() {
    let file = sample();
    assert!(file.len().is_multiple_of(PAGE as usize));
    let bundle = Bundle::parse(&file).expect("bundle");
    let components: Vec<_> = bundle.components().map(|component| component.expect("component")).collect();
    assert_eq!(components.iter().map(|c| (c.number, c.name)).collect::<Vec<_>>(), [(1, "first"), (2, "second")]);
    let first = components[0];
    assert_eq!(first.entry, 0x20_0004);
    assert_eq!(first.verify(), Ok(()));
    assert_eq!(first.segments().len(), 3);
    assert_eq!(first.bytes(&first.segments()[0])[..5001], [vec![0xaa; 5000], vec![0]].concat());
    assert_eq!(first.bytes(&first.segments()[2]).len(), 0);
    assert_eq!(first.memory_bytes(), 6 * PAGE);
    let manifest = first.manifest;
    assert_eq!(manifest.provides().collect::<Vec<_>>(), ["block"]);
    assert_eq!(manifest.uses().collect::<Vec<_>>(), ["log", "serial"]);
    let drives = [Drive { compatible: "virtio,mmio", id: Some(2) }, Drive { compatible: "arm,pl011", id: None }];
    assert_eq!(manifest.drives().collect::<Vec<_>>(), drives);
    assert_eq!((manifest.memory_bytes(), manifest.stack_bytes()), (256 * 1024, 32 * 1024));
    assert_eq!((manifest.table_slots(), manifest.priority()), (128, 150));
    assert_eq!(manifest.restart(), Restart::Always);
    assert_eq!(manifest.budget(), Some((2000, 10_000)));
    assert!(manifest.dma() && manifest.fpu());
    assert_eq!(manifest.core(), 3);
    assert!(manifest.is_granted("power"));
    assert!(!manifest.is_granted("kill"));
}

#[test]
fn golden_bytes() {
    let file = sample();
    assert_eq!(&file[..16], b"TUTBUNDL\x01\0\0\0\x02\0\0\0");
    assert_eq!((header::BYTES, record::BYTES), (64, 192));
    assert_eq!(&file[64..70], b"first\0");
    assert_eq!(file[64 + 2 * 192..][..9], *b"\x01\x80\x05\0block");
}

#[test]
fn padding_behind_the_bundle_is_ignored() {
    let mut file = sample();
    let bytes = file.len();
    file.resize(bytes + 1000, 0xff);
    assert_eq!(Bundle::parse(&file).expect("bundle").bytes(), bytes);
}

#[test]
fn header_is_checked() {
    let file = sample();
    assert!(matches!(Bundle::parse(&[]), Err(BundleError::TooShort { bytes: 0 })));
    assert!(matches!(Bundle::parse(&[7; 64]), Err(BundleError::NotABundle)));
    assert!(matches!(Bundle::parse(&file[..file.len() - 1]), Err(BundleError::Truncated { .. })));
    let changed = |at: usize, value: u8| {
        let mut file = sample();
        file[at] = value;
        Bundle::parse(&file).map(|_| ()).expect_err("refused")
    };
    assert!(matches!(changed(header::MAJOR, 2), BundleError::Version { major: 2, minor: 0 }));
    assert!(matches!(changed(header::STRIDE, 8), BundleError::Table));
    assert!(matches!(changed(header::COUNT + 3, 0xff), BundleError::Table));
    assert!(matches!(changed(header::BYTES + 3, 0xff), BundleError::HeaderCrc { .. }));
}

#[test]
fn limits_of_a_record_are_checked() {
    let at = |segment: usize, field: usize| record::SEGMENT + segment * record::SEGMENT_BYTES + field;
    let put = |at: usize, value: u64| {
        first_problem(&with_record(|record| record[at..at + 8].copy_from_slice(&value.to_le_bytes())))
    };
    let put32 = |at: usize, value: u32| {
        first_problem(&with_record(|record| record[at..at + 4].copy_from_slice(&value.to_le_bytes())))
    };
    assert_eq!(put(at(0, 0), 0x20_0010), Some(("segment address", Problem::Unaligned)));
    assert_eq!(put(at(0, 0), 0), Some(("segment address", Problem::Address(0))));
    assert_eq!(put(at(0, 0), 0x3fff_f000), Some(("segment address", Problem::Address(0x3fff_f000))));
    assert_eq!(put(at(0, 0), u64::MAX - 0xfff), Some(("segment address", Problem::Address(u64::MAX - 0xfff))));
    assert_eq!(put(at(1, 0), 0x20_1000), Some(("segment address", Problem::Overlap(0x20_1000))));
    assert_eq!(put(at(0, 8), 1), Some(("segment offset", Problem::Unaligned)));
    assert_eq!(put(at(0, 8), 1 << 40), Some(("segment offset", Problem::OutsideFile)));
    assert_eq!(put32(at(0, 16), 3), Some(("segment pages", Problem::Value(3))));
    assert_eq!(put32(at(0, 24), 7), Some(("segment permissions", Problem::Permissions(7))));
    assert_eq!(put32(at(0, 24), 8), Some(("segment permissions", Problem::Permissions(8))));
    assert_eq!(put32(at(0, 28), 1), Some(("segment reserved", Problem::Value(1))));
    assert_eq!(put(record::ENTRY, 0x20_2000), Some(("entry", Problem::NotExecutable(0x20_2000))));
    assert_eq!(put(record::ENTRY, 0x20_0002), Some(("entry", Problem::NotExecutable(0x20_0002))));
    assert_eq!(put32(record::SEGMENTS, 5), Some(("segments", Problem::Value(5))));
    assert_eq!(put32(record::SEGMENTS, 0), Some(("segments", Problem::Value(0))));
    assert_eq!(put32(record::MANIFEST, u32::MAX), Some(("manifest", Problem::OutsideFile)));
    assert_eq!(put32(record::NAME, 0), Some(("name", Problem::Text)));
}

#[test]
fn a_changed_byte_fails_the_crc_of_its_component_alone() {
    let mut file = sample();
    let offset = {
        let bundle = Bundle::parse(&file).expect("bundle");
        let second = bundle.components().nth(1).expect("second").expect("component");
        second.segments()[0].offset as usize
    };
    file[offset] ^= 1;
    let bundle = Bundle::parse(&file).expect("bundle");
    let results: Vec<_> = bundle.components().map(|component| component.expect("component").verify()).collect();
    assert_eq!(results[0], Ok(()));
    let error = results[1].expect_err("changed").to_string();
    assert!(error.starts_with("bundle: component 2 (second): CRC: is "), "{error}");
}

#[test]
fn tags_of_a_manifest_are_checked() {
    let item = |tag: u16, value: &[u8]| {
        let mut bytes = tag.to_le_bytes().to_vec();
        bytes.extend_from_slice(&(value.len() as u16).to_le_bytes());
        bytes.extend_from_slice(value);
        bytes
    };
    let check = |bytes: &[u8], grants: &[u8]| crate::Manifest::parse(bytes, grants).map(|_| ()).map_err(|(_, p)| p);
    assert_eq!(check(&[], &[]), Ok(()));
    assert_eq!(check(&item(0x7abc, b"whatever"), &[]), Ok(()));
    assert_eq!(check(&item(0xfabc, b"whatever"), &[]), Err(Problem::UnknownTag(0xfabc)));
    assert_eq!(check(&item(tag::GRANT, b"power"), &[]), Err(Problem::UnknownTag(tag::GRANT)));
    assert_eq!(check(&[], &item(tag::USES, b"power")), Err(Problem::UnknownTag(tag::USES)));
    assert_eq!(check(&item(tag::USES, b"power")[..6], &[]), Err(Problem::Malformed(tag::USES)));
    assert_eq!(check(&item(tag::USES, b""), &[]), Err(Problem::Text));
    assert_eq!(check(&item(tag::USES, b"a b"), &[]), Err(Problem::Text));
    assert_eq!(check(&item(tag::MEMORY, &[0; 4]), &[]), Err(Problem::Malformed(tag::MEMORY)));
    assert_eq!(check(&item(tag::MEMORY, &1u64.to_le_bytes()), &[]), Err(Problem::Value(1)));
    assert_eq!(check(&item(tag::TABLE, &48u32.to_le_bytes()), &[]), Err(Problem::Value(48)));
    assert_eq!(check(&item(tag::DMA, &[2]), &[]), Err(Problem::Value(2)));
    assert_eq!(check(&item(tag::DMA, &[1, 0]), &[]), Err(Problem::Malformed(tag::DMA)));
    for (budget, period) in [(0u64, 10u64), (11, 10)] {
        let item = item(tag::BUDGET, &(budget | period << 32).to_le_bytes());
        assert!(crate::Manifest::parse(&item, &[]).is_err(), "{budget} of {period}");
    }
    let dma = |bytes: &[u8]| crate::Manifest::parse(bytes, &[]).map(|manifest| manifest.dma()).map_err(|(_, p)| p);
    assert_eq!(dma(&item(tag::DMA, &[1])), Ok(true));
    assert_eq!((dma(&item(tag::DMA, &[0])), dma(&[])), (Ok(false), Ok(false)));
    let fpu = |bytes: &[u8]| crate::Manifest::parse(bytes, &[]).map(|manifest| manifest.fpu()).map_err(|(_, p)| p);
    assert_eq!((fpu(&item(tag::FPU, &[1])), fpu(&[])), (Ok(true), Ok(false)));
    assert_eq!(fpu(&item(tag::FPU, &[2])), Err(Problem::Value(2)));
    let twice = [item(tag::PRIORITY, &[1]), item(tag::PRIORITY, &[2])].concat();
    assert_eq!(check(&twice, &[]), Err(Problem::Repeated(tag::PRIORITY)));
}

#[test]
fn the_writer_refuses_what_the_reader_would() {
    let refused = |change: fn(&mut write::Component)| {
        let mut component = component("odd");
        change(&mut component);
        write::bundle(&[component]).expect_err("refused").0
    };
    assert!(refused(|c| c.name = String::new()).contains("name"));
    assert!(refused(|c| c.manifest.table = 3).contains("table"));
    assert!(refused(|c| c.manifest.uses.push("with space".into())).contains("odd"));
    assert!(refused(|c| c.program.segments[1].address = 0x20_1000).contains("overlaps"));
    assert!(refused(|c| c.program.segments[0].perms = Perms::all()).contains("permissions"));
    assert!(refused(|c| c.program.entry = 0).contains("entry"));
}

#[test]
fn init_image_has_the_layout_of_the_abi() {
    let image = write::init_image(&program()).expect("image");
    assert_eq!(image.len(), 4 * PAGE as usize);
    assert_eq!(&image[..8], &abi::INIT_IMAGE_MAGIC);
    let word = |at: usize| u64::from_le_bytes(image[at..at + 8].try_into().expect("eight bytes"));
    assert_eq!((word(8), word(16), word(24)), (image.len() as u64, 0x20_0004, 3));
    assert_eq!((word(32), word(40), word(48)), (0x20_0000, PAGE, 2 << 32 | 2));
    assert_eq!((word(96), word(104), word(112)), (0x20_3000, 4 * PAGE, 3 << 32));
    assert_eq!(image[4096], 0xaa);
}

/// xorshift: the same corruptions in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

#[test]
fn random_corruption_never_panics_and_never_leaves_the_file() {
    let good = sample();
    let head = header::BYTES + 2 * record::BYTES + 400;
    let mut random = Random(0x7075_7474_6921);
    let mut parsed = 0;
    for round in 0..20_000 {
        let mut file = good.clone();
        for _ in 0..1 + random.below(6) {
            let at = if random.below(4) == 0 { random.below(file.len()) } else { random.below(head) };
            file[at] = [0, 1, 0x7f, 0x80, 0xff, random.below(256) as u8][random.below(6)];
        }
        if round % 8 == 0 {
            file.truncate(random.below(good.len() + 1));
        }
        if round % 3 != 0 && file.len() >= header::BYTES + 2 * record::BYTES {
            repair(&mut file);
        }
        parsed += walk(&file);
    }
    assert!(parsed > 1000, "the corruption is so coarse that nothing behind the header is reached: {parsed}");
}

/// Reads everything there is and checks what the reader promises; returns how many components it yielded.
fn walk(file: &[u8]) -> usize {
    let Ok(bundle) = Bundle::parse(file) else { return 0 };
    let mut count = 0;
    for component in bundle.components() {
        let component = match component {
            Ok(component) => component,
            Err(error) => {
                assert!(error.to_string().starts_with("bundle: component "));
                continue;
            }
        };
        count += 1;
        let mut end = PAGE;
        for segment in component.segments() {
            let behind = segment.offset + u64::from(segment.file_pages) * PAGE;
            assert!(behind <= file.len() as u64);
            assert_eq!(component.bytes(segment).len() as u64, u64::from(segment.file_pages) * PAGE);
            assert!(segment.address >= end && segment.file_pages <= segment.pages);
            end = segment.address + u64::from(segment.pages) * PAGE;
            assert!(end <= crate::MAX_ADDRESS);
        }
        let manifest = component.manifest;
        let lists = manifest.provides().chain(manifest.uses()).chain(manifest.needs());
        let lists = lists.chain(manifest.requests()).chain(manifest.grants());
        assert!(lists.chain(manifest.drives().map(|drive| drive.compatible)).all(|text| !text.is_empty()));
        assert!(manifest.table_slots().is_power_of_two() && manifest.stack_bytes() >= PAGE);
        let _ = (manifest.memory_bytes(), manifest.priority(), manifest.restart(), manifest.dma(), manifest.fpu());
        let _ = component.verify();
    }
    count
}
