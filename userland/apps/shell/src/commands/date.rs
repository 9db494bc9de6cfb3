//! Commands about the time of day.

use alloc::format;
use alloc::string::String;

use ipc::SignalOn;
use jiff::Timestamp;
use jiff::tz::Offset;

use super::system::failed;
use super::{Fail, Result};
use crate::console::Stop;
use crate::machine::ALARM_BIT;
use crate::shell::Shell;

/// `date [TIME]`
pub fn date(shell: &mut Shell, arguments: &[String]) -> Result {
    if let Some(time) = arguments.first() {
        shell.clock.set(seconds(time)?).map_err(failed)?;
    }
    show(shell)
}

/// `alarm SECONDS`
pub fn alarm(shell: &mut Shell, arguments: &[String]) -> Result {
    let seconds = arguments.first().map_or("", String::as_str);
    let later: u64 = seconds.parse().map_err(|_| Fail::about(seconds, "give it a number of seconds"))?;
    let at = shell.clock.now().map_err(failed)?.saturating_add(later);
    let signal = SignalOn { notification: shell.notification, bits: ALARM_BIT };
    shell.clock.alarm(at, signal).map_err(failed)?;
    match shell.console.wait_for(ALARM_BIT) {
        Ok(true) => show(shell),
        Ok(false) => Err(Fail::Because("a service ended, and the alarm may be gone with it".into())),
        Err(Stop::Interrupted) => {
            shell.clock.cancel().map_err(failed)?;
            Err(Stop::Interrupted.into())
        }
        Err(stop) => Err(stop.into()),
    }
}

fn show(shell: &mut Shell) -> Result {
    let now = shell.clock.now().map_err(failed)?;
    let text = in_words(now).ok_or_else(|| Fail::Because(format!("{now} seconds since 1970 are no date")))?;
    Ok(shell.console.print(format_args!("{text}\n"))?)
}

/// ISO 8601 and the day of the week; `None` beyond the year 9999.
fn in_words(seconds: u64) -> Option<String> {
    let time = Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
    let day = Offset::UTC.to_datetime(time).weekday();
    Some(format!("{time} {day:?}"))
}

fn seconds(text: &str) -> core::result::Result<u64, Fail> {
    let time: Timestamp = text.parse().map_err(|_| Fail::about(text, "no time; one is 2026-03-29T01:02:03Z"))?;
    u64::try_from(time.as_second()).map_err(|_| Fail::about(text, "the clock begins with 1970"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z Thursday"),
            (951_782_400, "2000-02-29T00:00:00Z Tuesday"),
            (1_774_746_123, "2026-03-29T01:02:03Z Sunday"),
            (4_294_967_295, "2106-02-07T06:28:15Z Sunday"),
        ] {
            assert_eq!(in_words(seconds).as_deref(), Some(text));
            assert_eq!(super::seconds(&text[..20]), Ok(seconds));
        }
        assert_eq!((in_words(1 << 40), in_words(u64::MAX)), (None, None));
    }
}
