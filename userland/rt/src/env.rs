//! What the process was started with.

use core::sync::atomic::{AtomicPtr, Ordering};

#[cfg(target_os = "none")]
use abi::MessagePage;
use abi::{NamedSlot, Perms, StartInfo, layout::PAGE};

use crate::cap::Cap;

/// What the process was started with: its named slots, its clock, its identity.
#[derive(Debug)]
#[repr(transparent)]
pub struct Env(StartInfo);

/// A slot that the manifest should have named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing(pub &'static str);

impl core::fmt::Display for Missing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "this component was not given `{}`: name it in its manifest", self.0)
    }
}

static ENV: AtomicPtr<Env> = AtomicPtr::new(core::ptr::null_mut());

/// The environment of this process; `None` before start-up and on the host.
pub fn env() -> Option<&'static Env> {
    // SAFETY: the pointer is null or what `init` stored: a page that stays mapped read-only for the process's life.
    unsafe { ENV.load(Ordering::Relaxed).as_ref() }
}

#[cfg(target_os = "none")]
pub(crate) fn message_page() -> *mut MessagePage {
    env().map_or(core::ptr::null_mut(), |env| env.0.message_page as *mut MessagePage)
}

impl Env {
    #[cfg_attr(not(target_os = "none"), allow(dead_code))]
    pub(crate) fn init(info: &'static StartInfo) -> &'static Env {
        // SAFETY: `Env` is a transparent wrapper of `StartInfo`.
        let env = unsafe { &*(&raw const *info).cast::<Env>() };
        ENV.store((&raw const *env).cast_mut(), Ordering::Relaxed);
        env
    }

    /// The raw page.
    pub fn start_info(&self) -> &StartInfo {
        &self.0
    }

    /// The capability the manifest calls `name` (`provide:serial`, `use:block`, `reg:0`, `irq:0`, `dma`).
    ///
    /// # Errors
    /// [`Missing`]: the manifest names no such thing.
    pub fn cap<K>(&self, name: &'static str) -> Result<Cap<K>, Missing> {
        self.0.find(name).map(|entry| Cap::from_slot(entry.slot)).ok_or(Missing(name))
    }

    /// The number that the kernel's command line has for this component as `NAME.KEY=NUMBER`; `name` is `arg:KEY`.
    pub fn argument(&self, name: &str) -> Option<u32> {
        self.0.find(name).filter(NamedSlot::is_number).map(|entry| entry.slot)
    }

    /// The device tree; init gives it to the component that may start drivers. To be asked for once: it is mapped each time.
    ///
    /// # Errors
    /// [`Missing`].
    pub fn tree(&self) -> Result<&'static [u8], Missing> {
        self.file("tree", self.0.tree_offset, self.0.tree_bytes.into())
    }

    /// The bundle; as [`Self::tree`].
    ///
    /// # Errors
    /// [`Missing`].
    pub fn bundle(&self) -> Result<&'static [u8], Missing> {
        self.file("bundle", self.0.bundle_offset, self.0.bundle_bytes)
    }

    /// What the device tree says of this driver's device: a tree of which its node is the root. To be asked for once: it is
    /// mapped each time.
    ///
    /// # Errors
    /// [`Missing`]: it has no device.
    pub fn node(&self) -> Result<&'static [u8], Missing> {
        self.file("node", 0, self.size("node")?)
    }

    fn file(&self, name: &'static str, offset: u32, bytes: u64) -> Result<&'static [u8], Missing> {
        let frame = self.cap(name)?;
        let (start, end) = (offset as usize, (u64::from(offset) + bytes) as usize);
        let mapping = crate::vm::map(frame, (end as u64).div_ceil(PAGE), Perms::READ).map_err(|_| Missing(name))?;
        mapping.given_bytes().and_then(|all| all.get(start..end)).ok_or(Missing(name))
    }

    /// Bytes of the Frame called `name`.
    ///
    /// # Errors
    /// [`Missing`].
    pub fn size(&self, name: &'static str) -> Result<u64, Missing> {
        self.0.find(name).map(|entry| entry.size.into()).ok_or(Missing(name))
    }
}
