//! Makes every call that the kernel and the supervisor must refuse, and compares the error with the defined one.
#![cfg_attr(target_os = "none", no_std, no_main)]

use ipc::Error;
use ipc::supervisor::{Status, SupervisorClient};
use rt::{
    Badge, Cap, Endpoint, ErrorCode, Frame, LOG, Message, NOTIFICATION, Perms, REPLY, Rights, SPACE, SUPERVISOR,
    SyscallError, TABLE, THREAD, ThreadConfig,
};

rt::entry!(run);

/// Slots that nothing fills: the manifest names nothing, and few are allocated.
const EMPTY: u32 = 62;
const COPY: u32 = 63;
/// Far outside the table.
const OUTSIDE: u32 = 1_000_000;
/// Free addresses.
const FREE: u64 = 0x8_0000_0000;

type Attempt = fn(Cap<Frame>) -> Result<(), SyscallError>;

/// What is tried, and how it is refused.
const ATTEMPTS: [(&str, ErrorCode, Attempt); 13] = [
    ("a call through an empty slot", ErrorCode::EmptySlot, |_| call(EMPTY, Message::new(1, []))),
    ("a call through a slot outside the table", ErrorCode::SlotOutOfRange, |_| call(OUTSIDE, Message::new(1, []))),
    ("a call on a notification", ErrorCode::WrongKind, |_| call(NOTIFICATION.slot(), Message::new(1, []))),
    ("receiving on another's endpoint", ErrorCode::MissingRight, |_| LOG.receive(REPLY).map(drop)),
    ("a message of 65 words", ErrorCode::TooManyWords, |_| {
        call(LOG.slot(), Message { words: 65, ..Message::new(1, []) })
    }),
    ("a message of 127 words", ErrorCode::TooManyWords, |_| {
        call(LOG.slot(), Message { words: 127, ..Message::new(1, []) })
    }),
    ("a message of 5 capabilities", ErrorCode::TooManyCaps, |_| {
        call(LOG.slot(), Message { caps: 5, ..Message::new(1, []) })
    }),
    ("a message with a capability that is not there", ErrorCode::EmptySlot, |_| {
        call(LOG.slot(), Message::new(1, []).with_caps(&[EMPTY]))
    }),
    ("a mapping that is writable and executable", ErrorCode::WriteExecute, |frame| {
        SPACE.map(frame, FREE, 0, 1, Perms::READ | Perms::WRITE | Perms::EXECUTE)
    }),
    ("making a writable mapping executable too", ErrorCode::WriteExecute, |frame| {
        SPACE.map(frame, FREE, 0, 1, Perms::READ | Perms::WRITE)?;
        let refused = SPACE.protect(frame, Perms::READ | Perms::WRITE | Perms::EXECUTE);
        SPACE.unmap(frame)?;
        refused
    }),
    ("a mapping at a kernel address", ErrorCode::InvalidArgument, |frame| {
        SPACE.map(frame, 0xffff_8000_0000_0000, 0, 1, Perms::READ)
    }),
    ("a writable mapping through a read-only copy", ErrorCode::MissingRight, |frame| {
        TABLE.copy(COPY, TABLE, frame.slot(), Rights::READ, Badge(0))?;
        let refused = SPACE.map(Cap::from_slot(COPY), FREE, 0, 1, Perms::READ | Perms::WRITE);
        TABLE.delete(COPY)?;
        refused
    }),
    ("configuring the own thread", ErrorCode::MissingRight, |_| {
        let config = ThreadConfig {
            table: TABLE,
            space: SPACE,
            message_page: None,
            fault: None,
            priority: 255,
            ceiling: 255,
            fpu: false,
        };
        THREAD.configure(&config)
    }),
];

/// A method of the supervisor.
type Method = fn(SupervisorClient) -> Result<(), Error<Status>>;

/// What the supervisor refuses to who has no grant.
const REQUESTS: [(&str, Method); 5] = [
    ("listing the components", |supervisor| supervisor.list(0).map(drop)),
    ("looking at what a component holds", |supervisor| supervisor.caps(1, 0).map(drop)),
    ("killing a component", |supervisor| supervisor.kill(1)),
    ("switching the machine off", |supervisor| supervisor.power_off()),
    ("resetting the machine", |supervisor| supervisor.reboot()),
];

fn run(_: &'static rt::Env) {
    let frame = match rt::new_frame(1) {
        Ok(frame) => frame,
        Err(error) => return log::error!("trespass: no frame: {error:?}"),
    };
    let refused =
        ATTEMPTS.iter().filter(|(what, expected, attempt)| is_refused(what, *expected, attempt(frame))).count();
    let refused = refused + REQUESTS.iter().filter(|(what, request)| is_not_permitted(what, *request)).count();
    log::info!("trespass: {refused} of {} refused as defined", ATTEMPTS.len() + REQUESTS.len());
}

fn is_not_permitted(what: &str, method: Method) -> bool {
    let result = method(SupervisorClient(SUPERVISOR));
    match &result {
        Err(Error::Status(Status::NotPermitted)) => log::info!("trespass: {what}: {}", Status::NotPermitted),
        Ok(()) => log::error!("isolation broken: {what} was not refused"),
        Err(other) => log::error!("trespass: {what}: {other}, expected: {}", Status::NotPermitted),
    }
    matches!(result, Err(Error::Status(Status::NotPermitted)))
}

fn is_refused(what: &str, expected: ErrorCode, result: Result<(), SyscallError>) -> bool {
    match result {
        Err(error) if error.code == expected => log::info!("trespass: {what}: {error}"),
        Err(error) => log::error!("trespass: {what}: {error}, expected: {}", expected.text()),
        Ok(()) => log::error!("isolation broken: {what} was not refused"),
    }
    result.is_err_and(|error| error.code == expected)
}

fn call(slot: u32, message: Message) -> Result<(), SyscallError> {
    Cap::<Endpoint>::from_slot(slot).call(&message).map(drop).map_err(|refused| refused.error)
}
