//! The badge names the client of an endpoint capability.

/// component : 24 | epoch : 16 | server-defined : 24, from the top.
///
/// init fixes component and epoch; a server may fill its 24 bits once, when it mints a session capability. A field that
/// is not zero is never overwritten by the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Hash)]
pub struct Badge(pub u64);

impl Badge {
    const FIELDS: [u64; 3] = [0xffff_ff00_0000_0000, 0x0000_00ff_ff00_0000, 0x0000_0000_00ff_ffff];

    /// Packs the three fields; each is cut to its width.
    pub const fn new(component: u32, epoch: u16, server: u32) -> Self {
        Self(((component as u64 & 0xff_ffff) << 40) | ((epoch as u64) << 24) | (server as u64 & 0xff_ffff))
    }

    /// The component, 24 bits.
    pub const fn component(self) -> u32 {
        (self.0 >> 40) as u32
    }

    /// The instance of the component, 16 bits.
    pub const fn epoch(self) -> u16 {
        (self.0 >> 24) as u16
    }

    /// What the server wrote, 24 bits.
    pub const fn server(self) -> u32 {
        (self.0 & 0xff_ffff) as u32
    }

    /// The badge of a copy: fields that are still zero are filled from `wanted`; `None` when a field that is already set
    /// would change.
    pub fn refine(self, wanted: Badge) -> Option<Badge> {
        let fits = |mask: u64| self.0 & mask == 0 || wanted.0 & mask == 0 || self.0 & mask == wanted.0 & mask;
        Self::FIELDS.iter().all(|&mask| fits(mask)).then_some(Badge(self.0 | wanted.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_place() {
        let badge = Badge::new(0x01_0203, 0x0405, 0x06_0708);
        assert_eq!(badge.0, 0x0102_0304_0506_0708);
        assert_eq!((badge.component(), badge.epoch(), badge.server()), (0x01_0203, 0x0405, 0x06_0708));
    }

    #[test]
    fn a_set_field_is_never_overwritten() {
        let client = Badge::new(7, 1, 0);
        assert_eq!(client.refine(Badge::new(0, 0, 9)), Some(Badge::new(7, 1, 9)));
        assert_eq!(client.refine(Badge::new(8, 0, 0)), None);
        assert_eq!(client.refine(Badge::new(7, 2, 0)), None);
        assert_eq!(Badge::new(7, 1, 9).refine(Badge::new(0, 0, 8)), None);
        assert_eq!(Badge(0).refine(client), Some(client));
    }
}
