//! Commands that look at the network.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use ipc::SignalOn;
use ipc::net::{Info, LONGEST, Mac};
use net::{Frames, Port};
use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr};

use super::system::failed;
use super::{Fail, Result};
use crate::machine::NET_BIT;
use crate::shell::Shell;

/// Another host and this one, on the network that QEMU makes up for its user.
const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);

/// How often a question is asked, how often an answer is looked for after each, and how many milliseconds lie between.
const QUESTIONS: u32 = 4;
const LOOKS: u32 = 25;
const NAP: u64 = 10;

/// Bytes of a question or an answer, with the header of Ethernet.
const ARP: usize = 42;

/// `net`, `net arp [ADDRESS [OWN]]`
pub fn net(shell: &mut Shell, arguments: &[String]) -> Result {
    match arguments {
        [] => show(shell),
        [command, addresses @ ..] if command == "arp" && addresses.len() <= 2 => {
            let address = |at: usize, default| addresses.get(at).map_or(Ok(default), |text| parsed(text));
            arp(shell, address(0, THEIRS)?, address(1, OURS)?)
        }
        _ => Err(Fail::Because("`net` shows the interface, `net arp [ADDRESS [OWN]]` asks who has an address".into())),
    }
}

fn parsed(text: &str) -> core::result::Result<Ipv4Addr, Fail> {
    text.parse().map_err(|_| Fail::about(text, "not an address like 10.0.2.2"))
}

/// The interfaces that are there, with their numbers.
///
/// # Errors
/// There is none, or one does not say what it is.
fn interfaces(shell: &Shell) -> core::result::Result<Vec<(usize, Info)>, Fail> {
    let mut found = Vec::new();
    for (number, net) in shell.nets.iter().enumerate() {
        match net.info() {
            Ok(info) => found.push((number, info)),
            Err(error) if error.closed().is_some() => {}
            Err(error) => return Err(failed(error)),
        }
    }
    match found.is_empty() {
        true => Err(Fail::Because("there is no network interface, or no driver for it: see `devices`".into())),
        false => Ok(found),
    }
}

fn show(shell: &mut Shell) -> Result {
    for (number, info) in interfaces(shell)? {
        show_one(shell, number, info)?;
    }
    Ok(())
}

fn show_one(shell: &mut Shell, number: usize, Info { mac, mtu, link }: Info) -> Result {
    let counters = shell.nets[number].counters().map_err(failed)?;
    let console = &mut shell.console;
    console.print(format_args!("net.{number}  {mac}  link {}  MTU {mtu}\n", if link { "up" } else { "down" }))?;
    console.print(format_args!("{:<10}{:>12} frames {:>14} bytes\n", "sent", counters.sent, counters.sent_bytes))?;
    let (frames, bytes) = (counters.received, counters.received_bytes);
    console.print(format_args!("{:<10}{frames:>12} frames {bytes:>14} bytes\n", "received"))?;
    console.print(format_args!("{:<10}{:>12} frames\n", "dropped", counters.dropped))?;
    Ok(console.print(format_args!("{:<10}{:>12} frames\n", "errors", counters.errors))?)
}

/// Asks who has an address, and waits for the answer.
fn arp(shell: &mut Shell, theirs: Ipv4Addr, ours: Ipv4Addr) -> Result {
    let found = interfaces(shell)?;
    let Some(&(number, Info { mac, .. })) = found.iter().find(|(_, info)| info.link) else {
        return Err(Fail::Because("no network interface has a link".into()));
    };
    let buffer = shell.frames()?;
    let signal = SignalOn { notification: shell.notification, bits: NET_BIT };
    let mut port = Port::open(&shell.nets[number], buffer, signal).map_err(failed)?;
    for _ in 0..QUESTIONS {
        port.send(&question(mac, ours, theirs));
        for _ in 0..LOOKS {
            let mut frame = [0; LONGEST];
            while let Some(bytes) = port.receive(&mut frame) {
                if let Some(found) = answer(&frame[..bytes], theirs) {
                    return Ok(shell.console.print(format_args!("{theirs} is at {found}\n"))?);
                }
            }
            shell.console.machine().sleep(NAP);
            shell.console.check_interrupt()?;
        }
    }
    Err(Fail::Because(alloc::format!("{theirs} does not answer")))
}

fn question(mac: Mac, ours: Ipv4Addr, theirs: Ipv4Addr) -> [u8; ARP] {
    let mut bytes = [0; ARP];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
    let header = EthernetRepr {
        src_addr: EthernetAddress(mac.0),
        dst_addr: EthernetAddress::BROADCAST,
        ethertype: EthernetProtocol::Arp,
    };
    header.emit(&mut frame);
    let asks = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: EthernetAddress(mac.0),
        source_protocol_addr: ours,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: theirs,
    };
    asks.emit(&mut ArpPacket::new_unchecked(frame.payload_mut()));
    bytes
}

/// The address that a frame says this host has, if it says so.
fn answer(frame: &[u8], of: Ipv4Addr) -> Option<Mac> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    if frame.ethertype() != EthernetProtocol::Arp {
        return None;
    }
    let packet = ArpPacket::new_checked(frame.payload()).ok()?;
    match ArpRepr::parse(&packet).ok()? {
        ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply, source_hardware_addr, source_protocol_addr, ..
        } => (source_protocol_addr == of).then_some(Mac(source_hardware_addr.0)),
        _ => None,
    }
}
