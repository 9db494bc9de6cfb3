//! Names of events, as Linux' `input-event-codes.h` has them. What is not common is a number.

use alloc::borrow::Cow;
use alloc::format;

use ipc::input::kind;

type Name = Cow<'static, str>;

const KINDS: &[(u16, &str)] = &[
    (kind::SYN, "EV_SYN"),
    (kind::KEY, "EV_KEY"),
    (kind::REL, "EV_REL"),
    (kind::ABS, "EV_ABS"),
    (kind::MSC, "EV_MSC"),
    (kind::SW, "EV_SW"),
    (kind::LED, "EV_LED"),
    (kind::SND, "EV_SND"),
    (kind::REP, "EV_REP"),
];

/// From `KEY_ESC` (1) on, without `KEY_`; a dot has none.
const KEYS: &str = "ESC 1 2 3 4 5 6 7 8 9 0 MINUS EQUAL BACKSPACE TAB Q W E R T Y U I O P LEFTBRACE RIGHTBRACE ENTER LEFTCTRL \
    A S D F G H J K L SEMICOLON APOSTROPHE GRAVE LEFTSHIFT BACKSLASH Z X C V B N M COMMA DOT SLASH RIGHTSHIFT KPASTERISK \
    LEFTALT SPACE CAPSLOCK F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 NUMLOCK SCROLLLOCK KP7 KP8 KP9 KPMINUS KP4 KP5 KP6 KPPLUS KP1 KP2 \
    KP3 KP0 KPDOT . ZENKAKUHANKAKU 102ND F11 F12 RO KATAKANA HIRAGANA HENKAN KATAKANAHIRAGANA MUHENKAN KPJPCOMMA KPENTER \
    RIGHTCTRL KPSLASH SYSRQ RIGHTALT LINEFEED HOME UP PAGEUP LEFT RIGHT END DOWN PAGEDOWN INSERT DELETE MACRO MUTE VOLUMEDOWN \
    VOLUMEUP POWER KPEQUAL KPPLUSMINUS PAUSE SCALE KPCOMMA HANGEUL HANJA YEN LEFTMETA RIGHTMETA COMPOSE";

/// Buttons, axes and switches.
const OTHERS: &[(u16, u16, &str)] = &[
    (kind::KEY, 0x08e, "KEY_SLEEP"),
    (kind::KEY, 0x09e, "KEY_BACK"),
    (kind::KEY, 0x0ac, "KEY_HOMEPAGE"),
    (kind::KEY, 0x0d4, "KEY_CAMERA"),
    (kind::KEY, 0x110, "BTN_LEFT"),
    (kind::KEY, 0x111, "BTN_RIGHT"),
    (kind::KEY, 0x112, "BTN_MIDDLE"),
    (kind::KEY, 0x14a, "BTN_TOUCH"),
    (kind::REL, 0x00, "REL_X"),
    (kind::REL, 0x01, "REL_Y"),
    (kind::REL, 0x08, "REL_WHEEL"),
    (kind::ABS, 0x00, "ABS_X"),
    (kind::ABS, 0x01, "ABS_Y"),
    (kind::ABS, 0x2f, "ABS_MT_SLOT"),
    (kind::ABS, 0x35, "ABS_MT_POSITION_X"),
    (kind::ABS, 0x36, "ABS_MT_POSITION_Y"),
    (kind::ABS, 0x39, "ABS_MT_TRACKING_ID"),
    (kind::MSC, 0x04, "MSC_SCAN"),
    (kind::SW, 0x00, "SW_LID"),
    (kind::SW, 0x02, "SW_HEADPHONE_INSERT"),
    (kind::SYN, 0x03, "SYN_DROPPED"),
];

/// `EV_KEY`.
pub fn kind(kind: u16) -> Name {
    let name = KINDS.iter().find(|(number, _)| *number == kind);
    name.map_or_else(|| format!("{kind:#x}").into(), |&(_, name)| name.into())
}

/// `KEY_A`.
pub fn code(kind: u16, code: u16) -> Name {
    let other = OTHERS.iter().find(|(of, number, _)| (*of, *number) == (kind, code));
    if let Some(&(_, _, name)) = other {
        return name.into();
    }
    let key = code.checked_sub(1).filter(|_| kind == kind::KEY);
    let key = key.and_then(|index| KEYS.split_ascii_whitespace().nth(index.into())).filter(|name| *name != ".");
    key.map_or_else(|| format!("{code:#x}").into(), |name| format!("KEY_{name}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_numbers() {
        let keys =
            [(1, "ESC"), (11, "0"), (28, "ENTER"), (30, "A"), (50, "M"), (57, "SPACE"), (88, "F12"), (96, "KPENTER")];
        let more =
            [(85, "ZENKAKUHANKAKU"), (103, "UP"), (108, "DOWN"), (116, "POWER"), (119, "PAUSE"), (127, "COMPOSE")];
        for (number, name) in keys.into_iter().chain(more) {
            assert_eq!(code(kind::KEY, number), format!("KEY_{name}"));
        }
        assert_eq!(code(kind::KEY, 0x110), "BTN_LEFT");
        for number in [0, 84, 128, u16::MAX] {
            assert_eq!(code(kind::KEY, number), format!("{number:#x}"));
        }
        assert_eq!(
            (code(kind::ABS, 1), code(kind::ABS, 30), code(kind::REL, 1)),
            ("ABS_Y".into(), "0x1e".into(), "REL_Y".into())
        );
        assert_eq!((super::kind(kind::REP), super::kind(9)), ("EV_REP".into(), "0x9".into()));
    }
}
