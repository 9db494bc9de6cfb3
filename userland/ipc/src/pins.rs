//! pins: whether the pins of a chip are as the device tree wants them for a device. Served by the driver of its pin control.

/// What is on the pins of a chip: each can be one of several devices', or nobody's.
///
/// The server sets the pins of all devices that have a driver when it starts, as the tree says; a client cannot change them. It asks
/// before it touches its device.
#[crate::protocol(name = "pins", version = 1)]
pub trait Pins {
    /// Answers when the pins are as the state with this phandle wants them: one that a device's `default` names in `pinctrl-N`.
    #[method(1)]
    fn settled(&mut self, state: u32) -> Result<(), Status>;
}

crate::statuses! {
    /// No device that has a driver has this state by default.
    NoState = 1, "no driver's device has this state by default";
    /// The state cannot be set: the server's log says why.
    NotSet = 2, "the pins are not set, and the log says why";
}
