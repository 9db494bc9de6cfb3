//! The server's side: dispatch, and the one loop of a process.

use alloc::rc::Rc;
use core::cell::{RefCell, RefMut};

use rt::{Badge, Cap, Endpoint, Env, Message, Missing, REPLY, Serve, SyscallError, Words};

use crate::protocol::Protocol;
use crate::status::common;
use crate::window;

/// Who calls: component and instance of it, which nobody can forge.
pub type Client = Badge;

/// Puts messages before a server; made by `#[ipc::protocol]`.
pub trait Dispatch {
    /// What it serves.
    const PROTOCOL: &'static Protocol;
    /// The slot of its endpoint in the manifest's words: `provide:NAME`.
    const PROVIDED: &'static str;

    /// A call in registers whose answer fits into registers.
    ///
    /// # Errors
    /// The message as it came: it is one for [`Self::message`].
    fn words(&mut self, client: Client, words: Words) -> Result<Words, Words>;

    /// Any call. Some of its capabilities may have been dropped, which it finds out.
    fn message(&mut self, client: Client, message: &Message) -> Message;
}

/// A server that its tasks use too.
#[derive(Debug, Default)]
pub struct Shared<S>(Rc<RefCell<S>>);

impl<S> Shared<S> {
    /// Shares a server.
    pub fn new(server: S) -> Self {
        Self(Rc::new(RefCell::new(server)))
    }

    /// The server, until the next await.
    ///
    /// # Panics
    /// It is in use: a task kept it over an await.
    pub fn borrow_mut(&self) -> RefMut<'_, S> {
        self.0.borrow_mut()
    }
}

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// The answer to a message, whether it would fit into registers or not: for who has a loop of its own.
pub fn answer(server: &mut impl Dispatch, client: Client, message: &Message) -> Message {
    if let Ok(words) = Words::try_from(message)
        && let Ok(answer) = server.words(client, words)
    {
        return answer.into();
    }
    server.message(client, message)
}

/// No method of the protocol has this label.
#[doc(hidden)]
#[cold]
pub fn unknown(protocol: &Protocol, label: u32) -> Message {
    if label as u16 == 0 && label != 0 {
        // Whatever version the client speaks: what is served.
        return Message::new(0, [protocol.version.into(), protocol.last_method().into()]);
    }
    let same = label >> 16 == u32::from(protocol.version);
    Message::new(if same { common::UNKNOWN_METHOD } else { common::WRONG_VERSION }, [])
}

/// The answer to a message that is not what its method takes.
#[doc(hidden)]
pub const fn bad_message() -> Message {
    Message::new(common::BAD_MESSAGE, [])
}

/// As [`bad_message`].
#[doc(hidden)]
#[cold]
pub fn bad_words() -> Words {
    Words::new(common::BAD_MESSAGE, [])
}

/// Serves `provide:NAME`, where NAME is the protocol's, and runs the process's tasks, until the endpoint is taken away; returns
/// why.
///
/// # Errors
/// The manifest does not name the protocol in `provides`.
pub fn serve<D: Dispatch>(env: &Env, server: D) -> Result<SyscallError, Missing> {
    let endpoint = env.cap(D::PROVIDED)?;
    Ok(serve_on(endpoint, server))
}

/// As [`serve`], on an endpoint of the caller's choice.
pub fn serve_on<D: Dispatch>(endpoint: Cap<Endpoint>, server: D) -> SyscallError {
    if window::open().is_err() {
        log::error!("{}: the capability table is too small: `table` in the manifest", D::PROVIDED);
    }
    rt::task::run_ready();
    endpoint.serve(REPLY, &mut Loop(server))
}

/// Runs the process's tasks for ever, of a component that serves nothing.
///
/// # Errors
/// The Notification was taken away.
pub fn run() -> SyscallError {
    rt::task::run_ready();
    loop {
        match rt::NOTIFICATION.wait() {
            Ok(bits) => rt::task::notified(bits),
            Err(error) => return error,
        }
    }
}

struct Loop<D>(D);

impl<D: Dispatch> Serve for Loop<D> {
    #[inline(always)]
    fn call(&mut self, badge: Badge, message: Words) -> Result<Words, Words> {
        self.0.words(badge, message)
    }

    fn long_call(&mut self, badge: Badge, message: &mut Message, dropped: bool) {
        *message = self.0.message(badge, message);
        if dropped {
            window::clear();
        }
    }

    fn notified(&mut self, bits: u64) {
        rt::task::notified(bits);
    }
}
