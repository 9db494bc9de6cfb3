//! Displays: the protocol `display` in front of a [`Panel`]: one owner, a framebuffer that changes hands clean, frames.
//!
//! The framebuffer is the driver's. The owner gets a capability that is taken back when the display changes hands, and what it
//! drew is cleared before the next one gets it. While the device is busy, damage is gathered into one area: a client that floods
//! the display with it costs no more than the device can take.

use core::time::Duration;

use ipc::display::{Area, Display, DisplayServer, Mode, Status};
use ipc::{Client, Shared, Signal};
use rt::{Cap, Env, Frame, SharedBuffer};

use crate::{Handout, Interrupt};

/// How long a device may take to say what it can show.
const PATIENCE: Duration = Duration::from_secs(2);

/// What became of a part that is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It is shown.
    Done,
    /// It will be: [`Panel::finished`] says when.
    UnderWay,
    /// It will not be: the device failed.
    Failed,
}

/// A device that shows a picture in memory.
pub trait Panel {
    /// What it can show, the preferred mode first; empty as long as the device has not said. Each fits into [`Self::memory`].
    fn modes(&self) -> &[Mode];

    /// The picture.
    fn memory(&self) -> &SharedBuffer;

    /// From the next [`Self::show`] on the picture has mode number `index`.
    fn set(&mut self, index: usize);

    /// Shows what was changed in this part of the picture. It is not called again before it is done.
    fn show(&mut self, area: Area) -> Shown;

    /// The interrupt was seen.
    fn acknowledge(&mut self) {}

    /// Whether what was under way has been done since.
    fn finished(&mut self) -> bool {
        false
    }

    /// The device failed: nothing is shown any more.
    fn has_failed(&self) -> bool {
        false
    }

    /// It took too long: it has failed.
    fn give_up(&mut self) {}
}

/// Serves `display` with a device and its interrupt, if it has one, until its endpoint is taken away.
///
/// # Errors
/// The manifest does not say `provides = ["display"]`; no slot left.
pub fn serve(env: &Env, panel: impl Panel + 'static, interrupt: Option<Interrupt>) -> crate::Result {
    let service = Shared::new(Service::new(panel)?);
    if let Some(interrupt) = interrupt {
        let device = service.clone();
        crate::on_interrupt(interrupt, move || device.borrow_mut().interrupt());
        let device = service.clone();
        crate::spawn(async move {
            crate::sleep(PATIENCE).await;
            device.borrow_mut().give_up();
        });
    }
    // Until then nobody could be told what the display can show.
    if let Err(error) = rt::task::run_until(|| service.borrow_mut().is_ready()) {
        return Ok(error);
    }
    service.borrow_mut().introduce();
    Ok(ipc::serve(env, DisplayServer(service))?)
}

/// Who has the display.
struct Owner {
    client: Client,
    mode: Mode,
    signal: Signal,
    /// Numbers of frames: the last one asked for, the one under way, the last one done.
    asked: u64,
    under_way: u64,
    done: u64,
}

/// One device and its owner.
pub struct Service<P> {
    panel: P,
    handout: Handout,
    owner: Option<Owner>,
    /// What is to be shown next.
    damage: Option<Area>,
    /// The device is at work.
    busy: bool,
}

impl<P: Panel> Service<P> {
    /// A display that nobody has.
    ///
    /// # Errors
    /// No slot left.
    pub fn new(panel: P) -> Result<Self, crate::Error> {
        let handout = Handout::new(panel.memory().frame())?;
        Ok(Self { panel, handout, owner: None, damage: None, busy: false })
    }

    /// The device wants attention.
    pub fn interrupt(&mut self) {
        self.panel.acknowledge();
        if self.panel.finished() && self.busy {
            self.busy = false;
            self.finish();
        }
        self.pump();
        if self.panel.has_failed() {
            self.tell();
        }
    }

    /// The device has said what it can show, or will not.
    fn is_ready(&self) -> bool {
        !self.panel.modes().is_empty() || self.panel.has_failed()
    }

    fn give_up(&mut self) {
        if !self.is_ready() {
            log::error!("the device does not say what it can show");
            self.panel.give_up();
        }
    }

    fn introduce(&self) {
        let [Mode { width, height, format, .. }, others @ ..] = self.panel.modes() else { return };
        log::info!("{width} × {height} pixels, {format:?}, and {} other modes", others.len());
    }

    /// Has the device show what waits, if it can.
    fn pump(&mut self) {
        while !self.busy
            && let Some(area) = self.damage.take()
        {
            if let Some(owner) = &mut self.owner {
                owner.under_way = owner.asked;
            }
            match self.panel.show(area) {
                Shown::Done => self.finish(),
                Shown::UnderWay => self.busy = true,
                Shown::Failed => self.tell(),
            }
        }
    }

    /// The frame under way is done. The black picture of a new owner is frame 0, of which nobody hears.
    fn finish(&mut self) {
        if let Some(owner) = &mut self.owner
            && owner.done < owner.under_way
        {
            owner.done = owner.under_way;
            owner.signal.wake();
        }
    }

    /// The owner is to ask what is the matter.
    fn tell(&self) {
        self.owner.iter().for_each(|owner| _ = owner.signal.wake());
    }

    fn owner(&mut self, client: Client) -> Result<&mut Owner, Status> {
        let own = self.owner.as_mut().filter(|owner| is_same(owner.client, client));
        let owner = own.ok_or(Status::NotOpen)?;
        if self.panel.has_failed() { Err(Status::DeviceError) } else { Ok(owner) }
    }
}

/// The same instance of a component.
fn is_same(one: Client, other: Client) -> bool {
    (one.component(), one.epoch()) == (other.component(), other.epoch())
}

impl<P: Panel> Display for Service<P> {
    fn mode(&mut self, index: u32) -> Result<Option<Mode>, Status> {
        if self.panel.has_failed() {
            return Err(Status::DeviceError);
        }
        Ok(self.panel.modes().get(index as usize).copied())
    }

    fn open(&mut self, client: Client, index: u32, signal: Signal) -> Result<Cap<Frame>, Status> {
        let mode = self.mode(index)?.ok_or(Status::NoMode)?;
        let others = self.owner.as_ref().filter(|owner| owner.client.component() != client.component());
        if others.is_some_and(|owner| owner.signal.is_there()) {
            return Err(Status::Busy);
        }
        self.handout.take_back(self.panel.memory());
        self.panel.set(index as usize);
        // What the device has under way was of another, and is frame 0 for this one.
        self.owner = Some(Owner { client, mode, signal, asked: 0, under_way: 0, done: 0 });
        self.damage = Some(mode.area());
        self.pump();
        Ok(self.handout.frame())
    }

    fn damage(&mut self, client: Client, area: Area) -> Result<u64, Status> {
        let owner = self.owner(client)?;
        if !area.is_in(&owner.mode) {
            return Err(Status::BadArea);
        }
        owner.asked += 1;
        let frame = owner.asked;
        self.damage = Some(self.damage.map_or(area, |waiting| waiting.with(area)));
        self.pump();
        Ok(frame)
    }

    fn done(&mut self, client: Client) -> Result<u64, Status> {
        self.owner(client).map(|owner| owner.done)
    }

    fn close(&mut self, client: Client) -> Result<(), Status> {
        let owner = self.owner.take_if(|owner| is_same(owner.client, client)).ok_or(Status::NotOpen)?;
        self.handout.take_back(self.panel.memory());
        self.damage = Some(owner.mode.area());
        self.pump();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
