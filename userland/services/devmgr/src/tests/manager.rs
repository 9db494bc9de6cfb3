//! The manager against an init that lives in the test.

use std::cell::RefCell;
use std::rc::Rc;
use std::string::{String, ToString};
use std::vec::Vec;

use bundle::Bundle;
use ipc::broker::{self, Broker, BrokerClient, BrokerServer, Component, Death, Identified, Status};
use ipc::devices::{DevicesClient, DevicesServer, State};
use ipc::supervisor::State as Running;
use ipc::{Bytes, Client, Loopback, Signal, Text};
use tree::Tree;

use super::{bundle, phone, written};
use crate::Manager;

/// What init would do.
#[derive(Default)]
pub struct World {
    components: Vec<Component>,
    calls: Vec<String>,
    refuses: Option<&'static str>,
    /// What the nodes of the drivers that were started say.
    node: Vec<u8>,
}

#[derive(Clone, Default)]
pub struct Init(Rc<RefCell<World>>);

impl Init {
    /// What it was asked for since the last look.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.0.borrow_mut().calls)
    }

    /// What the nodes of the drivers that were started say.
    pub fn node(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.borrow_mut().node)
    }

    /// With the components that no device has yet.
    pub fn with(drivers: &[&str]) -> Self {
        let init = Self::default();
        for (number, name) in (1..).zip(drivers) {
            init.add(number, number, name, "");
        }
        init
    }

    /// What a component does from now on.
    pub fn set_state(&self, number: u32, state: Running) {
        let mut world = self.0.borrow_mut();
        world.components.iter_mut().filter(|it| it.number == number).for_each(|it| it.state = state);
    }

    /// Adds a component.
    pub fn add(&self, number: u32, program: u32, name: &str, path: &str) {
        let (name, path) = (Text::cut(name), Text::cut(path));
        let component = Component { number, program, state: Running::Running, name, path };
        self.0.borrow_mut().components.push(component);
    }

    fn note(&self, call: String) -> Result<(), Status> {
        self.0.borrow_mut().calls.push(call);
        Ok(())
    }
}

impl Broker for Init {
    fn component(&mut self, _: Client, after: u32) -> Result<Option<Component>, Status> {
        let world = self.0.borrow();
        Ok(world.components.iter().filter(|it| it.number > after).min_by_key(|it| it.number).copied())
    }
    fn describe(&mut self, _: Client, path: Text<{ broker::MAX_PATH }>) -> Result<(), Status> {
        self.note(std::format!("describe {}", path.as_str()))
    }
    fn add_registers(
        &mut self,
        _: Client,
        base: u64,
        size: u64,
        name: Text<{ broker::MAX_NAME }>,
    ) -> Result<(), Status> {
        self.note(std::format!("registers {base:#x} {size:#x} {}", name.as_str()))
    }
    fn add_interrupt(
        &mut self,
        _: Client,
        line: u32,
        edge: bool,
        name: Text<{ broker::MAX_NAME }>,
    ) -> Result<(), Status> {
        self.note(std::format!("interrupt {line} {edge} {}", name.as_str()))
    }
    fn add_memory(&mut self, _: Client, base: u64, size: u64, name: Text<{ broker::MAX_NAME }>) -> Result<(), Status> {
        self.note(std::format!("memory {base:#x} {size:#x} {}", name.as_str()))
    }
    fn add_messages(&mut self, _: Client, controller: u64, device: u32, count: u32) -> Result<(), Status> {
        self.note(std::format!("messages {controller:#x} {device:#x} {count}"))
    }
    fn add_node(&mut self, _: Client, bytes: Bytes<{ broker::MAX_NODE_PART }>) -> Result<(), Status> {
        self.0.borrow_mut().node.extend_from_slice(&bytes);
        Ok(())
    }
    fn add_stream(&mut self, _: Client, iommu: u64, stream: u32) -> Result<(), Status> {
        self.note(std::format!("stream {iommu:#x} {stream:#x}"))
    }
    fn start(&mut self, _: Client, driver: u32, dma: bool) -> Result<(u32, Text<{ broker::MAX_REASON }>), Status> {
        self.note(std::format!("start {driver} {dma}"))?;
        let refuses = self.0.borrow().refuses;
        Ok(refuses.map_or((driver, Text::default()), |why| (0, Text::cut(why))))
    }
    fn refuse(&mut self, _: Client, driver: u32, why: Text<{ broker::MAX_REASON }>) -> Result<(), Status> {
        self.note(std::format!("refuse {driver}: {}", why.as_str()))
    }
    fn settle(&mut self, _: Client) -> Result<(), Status> {
        self.note("settle".into())
    }
    fn run(&mut self, _: Client) -> Result<(), Status> {
        self.note("run".into())
    }
    fn identify(&mut self, _: Client, _: u64, _: u64, _: broker::Identification) -> Result<Identified, Status> {
        Ok(Identified { number: None, trouble: Text::default() })
    }
    fn watch(&mut self, _: Client, _: Signal) -> Result<(), Status> {
        Err(Status::NotPermitted)
    }
    fn death(&mut self, _: Client, _: u32) -> Result<Option<Death>, Status> {
        Err(Status::NotPermitted)
    }
    fn restart(&mut self, _: Client, _: u32, _: u16) -> Result<(), Status> {
        Err(Status::NotPermitted)
    }
    fn give_up(&mut self, _: Client, _: u32, _: u16, _: Text<{ broker::MAX_REASON }>) -> Result<(), Status> {
        Err(Status::NotPermitted)
    }
    fn unblock(&mut self, _: Client, bus: u32, line: u32) -> Result<u32, Status> {
        self.note(std::format!("unblock {bus} {line}"))?;
        Ok(1)
    }
    fn remove(&mut self, _: Client, component: u32) -> Result<(), Status> {
        self.note(std::format!("remove {component}"))
    }
}

/// Path, driver, state and reason.
type Shown = (String, String, State, String);

/// The rows, and all lines about one node, of a manager that was just started.
fn shown(init: &Init, components: &[super::Written], node: &str) -> (Vec<Shown>, Vec<String>) {
    let (phone, bytes) = (phone(), bundle(components));
    let (tree, bundle) = (Tree::parse(&phone).unwrap(), Bundle::parse(&bytes).unwrap());
    let broker = BrokerClient(Loopback::new(BrokerServer(init.clone())));
    let manager = Manager::new(tree, &bundle, broker).unwrap();
    let devices = DevicesClient(Loopback::new(DevicesServer(manager)));
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    while let Some(it) = devices.list(rows.len() as u32).unwrap() {
        if it.path.as_str() == node {
            while let Some(line) = devices.resource(rows.len() as u32, lines.len() as u32).unwrap() {
                lines.push(line.as_str().to_string());
            }
        }
        let text = |text: &str| text.to_string();
        rows.push((text(&it.path), text(&it.driver), it.state, text(&it.reason)));
    }
    assert!(devices.resource(rows.len() as u32, 0).is_err());
    (rows, lines)
}

fn row(rows: &[Shown], path: &str) -> (String, State, String) {
    let (_, driver, state, reason) = rows.iter().find(|row| row.0 == path).unwrap();
    (driver.clone(), *state, reason.clone())
}

#[test]
fn init_is_asked_for_what_the_plan_says() {
    let init = Init::with(&["uart", "key", "nothing"]);
    let components = [
        written("uart", &[("maker,uart", None)]),
        written("key", &[("maker,key", None)]),
        written("nothing", &[("no,such", None)]),
    ];
    let (rows, lines) = shown(&init, &components, "/uart@300000");
    let expected = [
        "describe /uart@300000",
        "registers 0x300000 0x1000 core",
        "interrupt 39 false done",
        "interrupt 0 false ",
        "interrupt 40 true wake",
        "memory 0x9c000000 0x1000 ring",
        "start 1 false",
        "refuse 2: /key@400000: waiting for /pins@200000 (maker,pins: no driver)",
        "refuse 3: no device for it",
        "run",
        "settle",
    ];
    assert_eq!(init.0.borrow().calls, expected);
    let node = init.0.borrow().node.clone();
    assert_eq!(Tree::parse(&node).unwrap().compatible().collect::<Vec<_>>(), ["maker,uart"]);
    assert_eq!(row(&rows, "/uart@300000"), ("uart".into(), State::Running, String::new()));
    let waiting = ("key".into(), State::Waiting, "/pins@200000 (maker,pins: no driver)".into());
    assert_eq!(row(&rows, "/key@400000"), waiting);
    assert_eq!(row(&rows, "/gic@0"), (String::new(), State::Kernel, String::new()));
    assert_eq!(row(&rows, "/i2c@500000"), (String::new(), State::NoDriver, String::new()));
    let expected = [
        "compatible maker,uart",
        "registers 0x300000..0x301000 (core)",
        "interrupt 39, level (done)",
        "interrupt of no controller",
        "interrupt 40, edge (wake)",
        "memory 0x9c000000..0x9c001000 of /reserved-memory/frame@9c000000 (ring)",
        "clocks &gcc 0x5",
        "pins /pins@200000/on",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn what_runs_is_found_again() {
    let init = Init::with(&["uart"]);
    init.0.borrow_mut().components[0].path = Text::cut("/uart@300000");
    let components = [written("uart", &[("maker,uart", None)])];
    let (rows, _) = shown(&init, &components, "");
    assert_eq!(init.0.borrow().calls, ["run", "settle"]);
    assert_eq!(row(&rows, "/uart@300000"), ("uart".into(), State::Running, String::new()));
    for (state, shows) in [(Running::Restarting, State::Starting), (Running::GivenUp, State::GivenUp)] {
        init.0.borrow_mut().components[0].state = state;
        let (rows, _) = shown(&init, &components, "");
        assert_eq!(row(&rows, "/uart@300000"), ("uart".into(), shows, String::new()));
    }
}

#[test]
fn what_init_refuses_is_said() {
    let init = Init::with(&["uart"]);
    init.0.borrow_mut().refuses = Some("on purpose");
    let (rows, _) = shown(&init, &[written("uart", &[("maker,uart", None)])], "");
    assert_eq!(row(&rows, "/uart@300000"), ("uart".into(), State::Refused, "on purpose".into()));
    let calls = init.0.borrow().calls.clone();
    assert!(calls.contains(&"refuse 1: /uart@300000: refused: on purpose".into()), "{calls:?}");
}

#[test]
fn a_component_that_was_left_out_drives_nothing() {
    let init = Init::with(&[]);
    let (rows, _) = shown(&init, &[written("uart", &[("maker,uart", None)])], "");
    assert_eq!(row(&rows, "/uart@300000"), (String::new(), State::NoDriver, String::new()));
    assert_eq!(init.0.borrow().calls, ["run", "settle"]);
}
