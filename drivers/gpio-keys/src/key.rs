//! A key that is followed: what its line does, without its bouncing.

use core::fmt::Display;
use core::time::Duration;

use ipc::Shared;
use kit::class::input::Service;
use kit::pin::{Input, Level, Trigger, Watch};
use kit::{sleep, spawn};

use crate::{Key, Keys};

/// How long a line that is lost is left alone before it is taken again.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells the clients of what happens to a key, whose line `take` takes: again, when its server has ended.
pub fn follow<P, E>(key: Key, keys: Shared<Service<Keys>>, mut take: impl FnMut() -> Result<P, E> + 'static)
where
    P: Watch + Input + 'static,
    E: Display + 'static,
{
    spawn(async move {
        let mut pressed = false;
        loop {
            match take() {
                Ok(mut line) => {
                    let Err(error) = changes(&mut line, &key, &keys, &mut pressed).await;
                    log::warn!("line {}: {error}", key.line);
                }
                Err(error) => log::error!("line {}: {error}", key.line),
            }
            sleep(PAUSE).await;
        }
    });
}

/// Reports changes until the line is lost.
async fn changes<P: Watch + Input>(
    line: &mut P,
    key: &Key,
    keys: &Shared<Service<Keys>>,
    pressed: &mut bool,
) -> Result<core::convert::Infallible, P::Error> {
    loop {
        // A level, not an edge: what happens between two looks is not lost.
        line.wait(other(key, *pressed)).await?;
        sleep(key.debounce).await;
        let now = (line.level()? == Level::Low) == key.active_low;
        if now != *pressed {
            *pressed = now;
            let mut service = keys.borrow_mut();
            service.device().change(key, now);
            service.interrupt();
        }
    }
}

/// The level at which the key is what it is not now.
const fn other(key: &Key, pressed: bool) -> Trigger {
    if key.active_low == pressed { Trigger::High } else { Trigger::Low }
}
