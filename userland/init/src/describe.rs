//! What a component holds, in words: the table as the kernel sees it, the names as its manifest has them.

use alloc::format;
use alloc::string::String;

use rt::{CapInfo, Kind, Perms, Rights};

use crate::Init;
use crate::authority::DEBUG;
use crate::component::{Instance, Record};
use crate::spawn::name_of;

impl Init {
    /// Line number `line` about what a component holds; `None` behind the last.
    pub fn describe(&self, record: &Record, line: u32) -> Option<String> {
        let instance = record.instance.as_ref()?;
        let mut filled = (1..instance.slots).filter_map(|slot| {
            let info = DEBUG.inspect(instance.table, slot).ok()?;
            (info.kind != Kind::Null).then_some((slot, info))
        });
        let (slot, info) = filled.nth(line as usize)?;
        Some(format!("{slot:>4}  {}{}", self.words(instance, slot, &info), purpose(instance, slot)))
    }

    fn words(&self, instance: &Instance, slot: u32, info: &CapInfo) -> String {
        let CapInfo { base, bytes, .. } = *info;
        let range = format!("{base:#x}..{:#x}", base.wrapping_add(bytes));
        match info.kind {
            Kind::Untyped => format!("memory {range}, {} of {} KiB in use", info.used / 1024, bytes / 1024),
            Kind::Reserve => format!(
                "reserve {range}, {} of {} KiB in use, mapped from {:#x} on",
                info.used / 1024,
                bytes / 1024,
                info.badge
            ),
            Kind::Frame => self.frame(instance, slot, info, &range),
            Kind::CapTable => format!("capability table of {} slots", bytes / 64),
            Kind::Endpoint => format!(
                "endpoint, may {}",
                list(
                    info.rights,
                    &[(Rights::SEND, "call"), (Rights::RECEIVE, "serve"), (Rights::GRANT, "pass capabilities"),]
                )
            ),
            Kind::Notification => format!(
                "notification, may {}",
                list(info.rights, &[(Rights::SIGNAL, "signal"), (Rights::WAIT, "wait"),])
            ),
            Kind::Irq => irq(info),
            Kind::DmaSpace => dma(info),
            Kind::Thread => format!(
                "thread{}, may {}",
                if info.used == 0 { "" } else { " with vector registers" },
                list(
                    info.rights,
                    &[
                        (Rights::CONFIGURE, "configure"),
                        (Rights::CONTROL, "stop and start"),
                        (Rights::BIND, "bind a notification"),
                    ]
                )
            ),
            Kind::AddressSpace => format!(
                "address space, may {}",
                list(
                    info.rights,
                    &[
                        (Rights::MAP, "map"),
                        (Rights::POOL, "add memory for tables"),
                        (Rights::USE, "run threads in it"),
                    ]
                )
            ),
            Kind::SchedContext if info.used == info.badge => String::from("time to run, without limit"),
            Kind::SchedContext => format!("time to run: {} of any {} ticks", info.used, info.badge),
            Kind::Reply => String::from("reply, may answer one caller"),
            kind => String::from(kind.name()),
        }
    }

    fn frame(&self, instance: &Instance, slot: u32, info: &CapInfo, range: &str) -> String {
        let rights = list(
            info.rights,
            &[
                (Rights::READ, "read"),
                (Rights::WRITE, "write"),
                (Rights::EXECUTE, "execute"),
                (Rights::DMA, "use for DMA"),
            ],
        );
        let registers = instance.named.iter().any(|named| named.slot == slot && name_of(named).starts_with("reg:"));
        let group = self.devices.group(info.base);
        let shared = match group {
            [_, _, ..] if registers => format!(", shared with {} devices: one trust group", group.len()),
            _ => String::new(),
        };
        let what = if registers { "device registers" } else { "memory" };
        let mapped = match info.used {
            0 => String::new(),
            bytes => format!(", mapped at {:#x}..{:#x}", info.badge, info.badge.wrapping_add(bytes)),
        };
        format!("{what} {range}, may {rights}{mapped}{shared}")
    }
}

const _: () = assert!(Perms::READ.bits() == Rights::READ.bits());

/// What a bus master reaches.
fn dma(info: &CapInfo) -> String {
    match info.badge {
        0 => String::from("DMA: nothing yet"),
        1 => String::from("DMA: all memory, no IOMMU, trusted"),
        stream => {
            let buffers = if info.used == 1 { "buffer" } else { "buffers" };
            format!("DMA: {} {buffers} through SMMU stream {:#x}", info.used, stream - 2)
        }
    }
}

/// An interrupt. The kernel says of a message the device, and from bit 32 on the event, more by 1.
fn irq(info: &CapInfo) -> String {
    /// The first number of a message to an ITS (ARM IHI 0069, 2.2.1).
    const FIRST_MESSAGE: u64 = 8192;
    let line = info.badge;
    match (info.used >> 32).checked_sub(1) {
        None => format!("interrupt line {line}"),
        Some(event) if line >= FIRST_MESSAGE => {
            format!("message {line}: device {:#x} event {event} through the ITS", info.used as u32)
        }
        Some(event) => {
            format!("message {line}: event {event} through a v2m frame: forged messages are not stopped")
        }
    }
}

/// The rights that are there, in words.
fn list(rights: Rights, words: &[(Rights, &str)]) -> String {
    let mut text = String::new();
    for (right, word) in words {
        if rights.contains(*right) {
            if !text.is_empty() {
                text.push_str(", ");
            }
            text.push_str(word);
        }
    }
    if text.is_empty() { String::from("nothing") } else { text }
}

/// What a slot is for.
fn purpose(instance: &Instance, slot: u32) -> String {
    let fixed = match slot {
        abi::SLOT_TABLE => "own table",
        abi::SLOT_THREAD => "own thread",
        abi::SLOT_SPACE => "own address space",
        abi::SLOT_MEMORY => "own memory",
        abi::SLOT_SCHED => "own time",
        abi::SLOT_LOG => "log",
        abi::SLOT_SUPERVISOR => "supervisor",
        abi::SLOT_REPLY => "own reply",
        abi::SLOT_NOTIFICATION => "own notification",
        abi::SLOT_HEAP => "own heap",
        _ => "",
    };
    let named = instance.named.iter().find(|named| named.slot == slot && !named.is_number());
    match (fixed, named) {
        ("", Some(named)) => format!(" ({})", name_of(named)),
        ("", None) => String::new(),
        (fixed, _) => format!(" ({fixed})"),
    }
}
