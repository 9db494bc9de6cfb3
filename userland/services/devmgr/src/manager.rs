//! The device manager over a tree, a bundle and init.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bundle::Bundle;
use ipc::broker::{self, BrokerClient};
use ipc::devices::{Device, Devices, Function, MAX_LINE, Route, State, Status};
use ipc::supervisor::State as Running;
use ipc::{Call, Client, Error, Text};
use tree::{Range, Tree};

use crate::drivers::{Driver, drivers};
use crate::function;
use crate::iommu;
use crate::lines::lines;
use crate::node;
use crate::plan::{Identify, Outcome, Row, plan};
use crate::resources::{Block, Description, Identification, Messages, Trouble};

/// Answers what becomes of each node.
pub struct Manager<'a, C> {
    tree: Tree<'a>,
    broker: BrokerClient<C>,
    drivers: Vec<Driver<'a>>,
    nodes: Vec<Node<'a>>,
    /// The lines about a node that were asked for last, as they are asked for one by one.
    shown: Option<(usize, Vec<String>)>,
    /// The drivers of buses that have not said yet that they told of everything: so long it is not known which drivers of
    /// functions have no device, nor which services nobody serves. `None`: init has been told.
    untold: Option<Vec<u32>>,
}

/// Most functions of buses.
const FUNCTIONS: usize = 128;

/// A node, and what became of it when it was decided about.
struct Node<'a> {
    path: String,
    offset: usize,
    /// The component that drives it.
    component: Option<u32>,
    /// The driver that would.
    driver: &'a str,
    state: State,
    reason: String,
    function: Option<Found>,
}

/// What is known of a function of a bus.
struct Found {
    /// Bus, device and function.
    address: u16,
    registers: Vec<Range>,
    /// What it has.
    words: Vec<String>,
}

/// A component that init has.
struct Known {
    number: u32,
    program: u32,
    path: String,
}

type Failure = Error<broker::Status>;

impl<'a, C: Call> Manager<'a, C> {
    /// Decides about every node, and has init start what can be. What waits for buses does so until they told of everything
    /// ([`Devices::scanned`]) or until [`Self::settle`].
    ///
    /// # Errors
    /// init does not answer, or the tree's references cannot be read.
    pub fn new(tree: Tree<'a>, bundle: &Bundle<'a>, broker: BrokerClient<C>) -> Result<Self, String> {
        let known = known(&broker).map_err(|error| format!("broker: {error}"))?;
        let drivers = drivers(bundle, |number| known.iter().any(|it| it.number == number));
        let running = |path: &str| known.iter().find(|it| it.path == path).map(|it| it.number);
        let rows = plan(&tree, &drivers, |path| running(path).is_some(), &mut Registers(&broker))?;
        let mut nodes = Vec::with_capacity(rows.len());
        for row in rows {
            let component = running(&row.path);
            let mut node = decide(&tree, &broker, &drivers, row).map_err(|error| format!("broker: {error}"))?;
            node.component = node.component.or(component);
            nodes.push(node);
        }
        let mut manager = Self { tree, broker, drivers, nodes, shown: None, untold: None };
        manager.begin(&known).map_err(|error| format!("broker: {error}"))?;
        Ok(manager)
    }

    /// Has the drivers run that have a device, and waits for what buses find, if there are any.
    fn begin(&mut self, known: &[Known]) -> Result<(), Failure> {
        self.refuse(known, false)?;
        self.broker.run()?;
        self.untold = Some(self.buses());
        self.settle_if_all_told()
    }

    /// The components that drive a bus.
    fn buses(&self) -> Vec<u32> {
        let mut devices = self.tree.devices();
        let mut buses = Vec::new();
        for node in &self.nodes {
            if let Some(component) = node.component
                && bus_at(&mut devices, node.offset).is_ok()
            {
                buses.push(component);
            }
        }
        buses
    }

    /// Settles if there is no bus to wait for.
    fn settle_if_all_told(&mut self) -> Result<(), Failure> {
        if self.untold.as_ref().is_some_and(Vec::is_empty) { self.settle() } else { Ok(()) }
    }

    /// Waits for no bus any longer: drivers of functions have a device or none, and services without a server say so. A
    /// function that is found later has its driver none the less.
    ///
    /// # Errors
    /// init does not answer.
    pub fn settle(&mut self) -> Result<(), Failure> {
        if self.untold.take().is_none() {
            return Ok(());
        }
        let known = known(&self.broker)?;
        self.refuse(&known, true)?;
        self.broker.settle()
    }

    /// Tells init of the drivers that have no device: those that drive functions, or the others.
    fn refuse(&self, known: &[Known], functions: bool) -> Result<(), Failure> {
        for driver in self.drivers.iter().filter(|driver| driver.is_of_functions() == functions) {
            let mine = |node: &&Node<'_>| node.driver == driver.name;
            let has_one = self.nodes.iter().filter(mine).any(|node| node.component.is_some())
                || known.iter().any(|it| it.program == driver.number && !it.path.is_empty());
            if !has_one {
                let would = self.nodes.iter().find(mine);
                let why = would.map_or("no device for it".into(), |node| {
                    format!("{}: {} {}", node.path, node.state.name(), node.reason)
                });
                self.broker.refuse(driver.number, cut(&why, broker::MAX_REASON))?;
            }
        }
        Ok(())
    }

    /// The node of a bus that this component drives.
    fn bus_of(&self, client: Client) -> Result<usize, Status> {
        let drives = |node: &Node<'_>| node.component == Some(client.component()) && node.function.is_none();
        let bus = self.nodes.iter().find(|&node| drives(node)).ok_or(Status::NoBus)?;
        bus_at(&mut self.tree.devices(), bus.offset).map(|_| bus.offset)
    }

    /// The function of this bus that a component drives.
    fn function_of(&self, bus: usize, component: u32) -> Option<&Node<'a>> {
        let is_it = |node: &&Node<'_>| node.offset == bus && node.component == Some(component);
        self.nodes.iter().filter(|node| node.function.is_some()).find(is_it)
    }

    /// Decides about a function of the bus whose node is at this offset.
    fn add(&mut self, offset: usize, function: &Function, route: Option<Route>) -> Result<Option<u32>, Status> {
        let mut devices = self.tree.devices();
        let bus = bus_at(&mut devices, offset)?;
        let registers = function::registers(function, bus.property("ranges").unwrap_or_default());
        let registers = registers.ok_or(Status::BadFunction)?;
        let ranges: Vec<Range> = registers.iter().map(|block| block.range).collect();
        let above = match route {
            None => bus.path().to_string(),
            Some(route) => self.path_of(offset, route.bridge).ok_or(Status::BadFunction)?.into(),
        };
        let path = format!("{above}/{}", function::name(function));
        if let Some(known) = self.known_function(&path, &ranges)? {
            return Ok(self.nodes.get(known).and_then(|node| node.component));
        }
        let route = route.unwrap_or(function::direct(function));
        let stream = iommu::of_function(&self.tree, &bus, function);
        let (lines, messages) = (function::lines(&bus, &route), function::messages(&bus, function));
        let words = function::words(function, &registers, &lines, &stream, &messages);
        let (driver, started) = if function::is_bridge(function) {
            (self.driver_of(offset), Ok(None))
        } else {
            self.start_function(&bus, function, &route, registers, &path)
        };
        let (component, state, reason) = match started {
            Ok(Some(number)) => (Some(number), State::Running, String::new()),
            // The driver of a bridge is that of its bus.
            Ok(None) if !driver.is_empty() => (None, State::Running, String::new()),
            Ok(None) => (None, State::NoDriver, String::new()),
            Err(why) => (None, State::Refused, why),
        };
        let found = Found { address: function.address, registers: ranges, words };
        let node = Node { path, offset, component, driver, state, reason, function: Some(found) };
        // Behind its bus and what was found before.
        let behind = self.nodes.iter().rposition(|node| node.offset == offset).map_or(0, |last| last + 1);
        self.nodes.insert(behind, node);
        self.shown = None;
        Ok(component)
    }

    /// The lines of the GIC that the driver of the bus at this offset has itself.
    fn own_lines(&self, offset: usize) -> Result<Vec<u32>, Status> {
        let mut devices = self.tree.devices();
        let bus = bus_at(&mut devices, offset)?;
        if bus.interrupts().next().is_some() {
            return Ok(Vec::new());
        }
        Ok(function::own_lines(&bus).iter().map(|line| line.intid).collect())
    }

    /// The path of a function of this bus.
    fn path_of(&self, bus: usize, address: u16) -> Option<&str> {
        let is_it = |node: &&Node<'_>| {
            node.offset == bus && node.function.as_ref().is_some_and(|function| function.address == address)
        };
        self.nodes.iter().find(is_it).map(|node| node.path.as_str())
    }

    /// The name of what drives the bus whose node is at this offset.
    fn driver_of(&self, bus: usize) -> &'a str {
        let component = self.nodes.iter().find(|node| node.offset == bus).and_then(|node| node.component);
        let known = known(&self.broker).unwrap_or_default();
        let program = known.iter().find(|it| Some(it.number) == component).map(|it| it.program);
        self.drivers.iter().find(|driver| Some(driver.number) == program).map_or("", |driver| driver.name)
    }

    /// Where a function is in the list, if its bus' driver was started again or says it twice.
    fn known_function(&self, path: &str, ranges: &[Range]) -> Result<Option<usize>, Status> {
        let mut count = 0;
        for (index, node) in self.nodes.iter().enumerate() {
            let Some(Found { registers: others, .. }) = &node.function else { continue };
            if node.path == path {
                return if others == ranges { Ok(Some(index)) } else { Err(Status::BadFunction) };
            }
            if others.iter().any(|other| ranges.iter().any(|own| function::overlap(*own, *other))) {
                return Err(Status::BadFunction);
            }
            count += 1;
        }
        if count < FUNCTIONS { Ok(None) } else { Err(Status::TooMany) }
    }

    /// The name of the driver that is for a function, and the component that drives it, now if not already.
    fn start_function(
        &self,
        bus: &tree::Device<'_, '_>,
        function: &Function,
        route: &Route,
        registers: Vec<Block>,
        path: &str,
    ) -> (&'a str, Result<Option<u32>, String>) {
        let names = function::compatible(function);
        let is_for = |driver: &&Driver<'a>, name: &str| driver.names(name).any(|id| id.is_none());
        let driver = names.iter().find_map(|name| self.drivers.iter().find(|driver| is_for(driver, name)));
        let Some(driver) = driver else { return ("", Ok(None)) };
        // Of a devmgr that was there before.
        let known = known(&self.broker).unwrap_or_default();
        if let Some(running) = known.iter().find(|it| it.path == path) {
            return (driver.name, Ok(Some(running.number)));
        }
        let started = function::describe(&self.tree, bus, function, route, registers, driver).and_then(|description| {
            let node = function::node(bus, function);
            let started = start(&self.broker, path, &node, driver.number, &description);
            started.unwrap_or_else(|error| Err(format!("broker: {error}"))).map(Some)
        });
        (driver.name, started)
    }

    /// What becomes of a node now: whether its driver runs, init knows.
    fn now(&self, node: &Node<'a>) -> Device {
        let component =
            node.component.and_then(|number| self.broker.component(number.saturating_sub(1)).ok().flatten());
        let component = component.filter(|component| Some(component.number) == node.component);
        let state = component.map_or(node.state, |component| match component.state {
            Running::Running => State::Running,
            Running::Restarting => State::Starting,
            Running::Ended | Running::GivenUp | Running::NoDevice => State::GivenUp,
        });
        let driver = component.map_or(Text::cut(node.driver), |component| component.name);
        Device { state, driver, path: Text::cut(&node.path), reason: Text::cut(&node.reason) }
    }
}

/// The host bridge whose node is at this offset.
fn bus_at<'w, 'a>(devices: &'w mut tree::Devices<'a>, offset: usize) -> Result<tree::Device<'w, 'a>, Status> {
    while devices.next().ok_or(Status::NoBus)?.offset() != offset {}
    let bus = devices.device().ok_or(Status::NoBus)?;
    let is_one = bus.text("device_type").ok().flatten() == Some("pci");
    is_one.then_some(bus).ok_or(Status::NoBus)
}

/// All components that init has.
fn known(broker: &BrokerClient<impl Call>) -> Result<Vec<Known>, Failure> {
    let mut known: Vec<Known> = Vec::new();
    // Numbers ascend, so that this ends.
    while let Some(it) = broker.component(known.last().map_or(0, |last| last.number))? {
        if known.last().is_some_and(|last| last.number >= it.number) {
            return Err(Error::Malformed);
        }
        known.push(Known { number: it.number, program: it.program, path: it.path.as_str().into() });
    }
    Ok(known)
}

/// Has init start what a row says, and notes what came of it.
fn decide<'a>(
    tree: &Tree<'_>,
    broker: &BrokerClient<impl Call>,
    drivers: &[Driver<'a>],
    row: Row,
) -> Result<Node<'a>, Failure> {
    let name = |number| drivers.iter().find(|driver| driver.number == number).map_or("", |driver| driver.name);
    let Row { path, offset, outcome } = row;
    let mut component = None;
    let (driver, state, reason) = match outcome {
        Outcome::Driven => ("", State::Running, String::new()),
        Outcome::Kernel => ("", State::Kernel, String::new()),
        Outcome::NoDriver(None) => ("", State::NoDriver, String::new()),
        Outcome::NoDriver(Some(0)) => ("", State::NoDriver, "(nothing there)".into()),
        Outcome::NoDriver(Some(id)) => ("", State::NoDriver, format!("(it says {id:#x})")),
        Outcome::Not { driver, trouble: Trouble::Waiting(whom) } => (name(driver), State::Waiting, whom),
        Outcome::Not { driver, trouble: Trouble::Refused(why) } => (name(driver), State::Refused, why),
        Outcome::Start { driver, description } => {
            match start_node(tree, broker, &path, offset, driver, &description)? {
                Ok(number) => {
                    component = Some(number);
                    (name(driver), State::Running, String::new())
                }
                Err(why) => (name(driver), State::Refused, why),
            }
        }
    };
    Ok(Node { path, offset, component, driver, state, reason, function: None })
}

/// Has init start a driver for a node of the tree; why it did not.
fn start_node(
    tree: &Tree<'_>,
    broker: &BrokerClient<impl Call>,
    path: &str,
    offset: usize,
    driver: u32,
    description: &Description,
) -> Result<Result<u32, String>, Failure> {
    match node::alone(tree, offset, description.states.as_deref()) {
        Some(node) => start(broker, path, &node, driver, description),
        None => Ok(Err("its node says more than a driver is given".into())),
    }
}

/// Has init start a driver for a device that says this; why it did not.
fn start(
    broker: &BrokerClient<impl Call>,
    path: &str,
    node: &[u8],
    driver: u32,
    description: &Description,
) -> Result<Result<u32, String>, Failure> {
    match describe(broker, path, node, description) {
        Ok(()) => {}
        Err(Error::TooLong) => return Ok(Err("its path or a name in its node is too long".into())),
        Err(Error::Status(broker::Status::NoDevice)) => {
            return Ok(Err("it has more resources than a driver is given".into()));
        }
        Err(error) => return Err(error),
    }
    let (number, why) = broker.start(driver, description.dma)?;
    Ok(if number == 0 { Err(why.as_str().to_string()) } else { Ok(number) })
}

fn describe(
    broker: &BrokerClient<impl Call>,
    path: &str,
    node: &[u8],
    description: &Description,
) -> Result<(), Failure> {
    broker.describe(path)?;
    for block in &description.registers {
        broker.add_registers(block.range.base, block.range.size, &block.name)?;
    }
    for line in &description.lines {
        broker.add_interrupt(line.intid, line.edge, &line.name)?;
    }
    if let Some(Messages { controller, device, count }) = description.messages {
        broker.add_messages(controller, device.unwrap_or(0), count)?;
    }
    for block in &description.memory {
        broker.add_memory(block.range.base, block.range.size, &block.name)?;
    }
    if let Some((iommu, stream)) = description.stream {
        broker.add_stream(iommu, stream)?;
    }
    node.chunks(broker::MAX_NODE_PART).try_for_each(|part| broker.add_node(part))
}

/// Registers, which init reads.
struct Registers<'b, C>(&'b BrokerClient<C>);

impl<C: Call> Identify for Registers<'_, C> {
    fn identify(&mut self, registers: Range, how: Identification) -> Result<Option<u32>, String> {
        let how = match how {
            Identification::Virtio => broker::Identification::Virtio,
            Identification::PrimeCell => broker::Identification::PrimeCell,
        };
        let said = self.0.identify(registers.base, registers.size, how).map_err(|error| format!("broker: {error}"))?;
        if said.trouble.is_empty() { Ok(said.number) } else { Err(said.trouble.as_str().into()) }
    }
}

impl<C: Call> Devices for Manager<'_, C> {
    fn list(&mut self, index: u32) -> Result<Option<Device>, Status> {
        Ok(self.nodes.get(index as usize).map(|node| self.now(node)))
    }

    fn resource(&mut self, index: u32, line: u32) -> Result<Option<Text<MAX_LINE>>, Status> {
        let node = self.nodes.get(index as usize).ok_or(Status::NoNode)?;
        if let Some(function) = &node.function {
            return Ok(function.words.get(line as usize).map(|line| Text::cut(line)));
        }
        let offset = node.offset;
        if self.shown.as_ref().is_none_or(|(shown, _)| *shown != offset) {
            self.shown = Some((offset, lines(&self.tree, offset)));
        }
        let shown = self.shown.as_ref().map_or(&[][..], |(_, lines)| lines.as_slice());
        Ok(shown.get(line as usize).map(|line| Text::cut(line)))
    }

    fn found(&mut self, client: Client, function: Function) -> Result<Option<u32>, Status> {
        let bus = self.bus_of(client)?;
        self.add(bus, &function, None)
    }

    fn found_behind(&mut self, client: Client, function: Function, route: Route) -> Result<Option<u32>, Status> {
        let bus = self.bus_of(client)?;
        self.add(bus, &function, Some(route))
    }

    fn scanned(&mut self, client: Client) -> Result<(), Status> {
        self.bus_of(client)?;
        if let Some(buses) = &mut self.untold {
            buses.retain(|&bus| bus != client.component());
        }
        if let Err(error) = self.settle_if_all_told() {
            log::error!("broker: {error}");
        }
        Ok(())
    }

    fn may_master(&mut self, client: Client, component: u32) -> Result<bool, Status> {
        let bus = self.bus_of(client)?;
        let driver = self.function_of(bus, component).map(|node| node.driver);
        Ok(self.drivers.iter().any(|it| Some(it.name) == driver && it.manifest.dma()))
    }

    fn line(&mut self, client: Client, device: u16, pin: u8) -> Result<Option<u32>, Status> {
        let offset = self.bus_of(client)?;
        let own = self.own_lines(offset)?;
        let mut devices = self.tree.devices();
        let route = Route { bridge: 0, device, pin, shared: false };
        let lines = function::lines(&bus_at(&mut devices, offset)?, &route).unwrap_or_default();
        let index = lines.first().and_then(|line| own.iter().position(|&intid| intid == line.intid));
        Ok(index.and_then(|index| u32::try_from(index).ok()))
    }

    fn stuck(&mut self, client: Client, line: u32) -> Result<u32, Status> {
        let offset = self.bus_of(client)?;
        let &intid = self.own_lines(offset)?.get(line as usize).ok_or(Status::NoNode)?;
        Ok(self.broker.unblock(client.component(), intid).unwrap_or_else(|error| {
            log::error!("broker: {error}");
            0
        }))
    }

    fn gone(&mut self, client: Client, address: u16) -> Result<(), Status> {
        let bus = self.bus_of(client)?;
        let path = String::from(self.path_of(bus, address).ok_or(Status::NoNode)?);
        let below = format!("{path}/");
        let is_gone = |node: &Node<'_>| {
            node.offset == bus && node.function.is_some() && (node.path == path || node.path.starts_with(&below))
        };
        for component in self.nodes.iter().filter(|node| is_gone(node)).filter_map(|node| node.component) {
            if let Err(error) = self.broker.remove(component) {
                log::error!("broker: {error}");
            }
        }
        self.nodes.retain(|node| !is_gone(node));
        self.shown = None;
        Ok(())
    }

    fn is_running(&mut self, client: Client, component: u32) -> Result<bool, Status> {
        let bus = self.bus_of(client)?;
        Ok(self.function_of(bus, component).is_some_and(|node| self.now(node).state == State::Running))
    }
}

/// As much of a text as fits.
fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}
