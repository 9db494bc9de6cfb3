//! Frames of a network.

/// A network interface: frames out, frames in. None of it waits.
pub trait Frames {
    /// Bytes of the longest frame, header included.
    fn longest(&self) -> usize;

    /// Takes the next frame that has arrived, and says how long it is. A frame that is longer than `out` is dropped.
    fn receive(&mut self, out: &mut [u8]) -> Option<usize>;

    /// Whether a frame can be sent now.
    fn has_room(&mut self) -> bool;

    /// Sends a frame. It is dropped when there is no room, or it is too long.
    fn send(&mut self, frame: &[u8]);
}

/// An interface for `smoltcp` 0.14, with Ethernet frames.
///
/// ```
/// use tutti_net::{Phy, cable};
/// use smoltcp::phy::{Device, TxToken};
/// use smoltcp::time::Instant;
///
/// let (mine, theirs) = cable(8);
/// Phy::new(mine).transmit(Instant::ZERO).unwrap().consume(4, |frame| frame.copy_from_slice(b"ping"));
/// assert_eq!(theirs.arrived(), [b"ping"]);
/// ```
#[cfg(feature = "smoltcp")]
#[derive(Clone, Debug)]
pub struct Phy<F> {
    frames: F,
    received: alloc::vec::Vec<u8>,
    sending: alloc::vec::Vec<u8>,
}

#[cfg(feature = "smoltcp")]
pub use phy::{Incoming, Outgoing};

#[cfg(feature = "smoltcp")]
mod phy {
    use alloc::vec;
    use alloc::vec::Vec;

    use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
    use smoltcp::time::Instant;

    use super::{Frames, Phy};

    impl<F: Frames> Phy<F> {
        /// The interface, with a buffer for a frame in each direction.
        pub fn new(frames: F) -> Self {
            let longest = frames.longest();
            Self { frames, received: vec![0; longest], sending: vec![0; longest] }
        }

        /// The interface itself.
        pub const fn frames(&mut self) -> &mut F {
            &mut self.frames
        }
    }

    /// A frame that has arrived.
    #[derive(Debug)]
    pub struct Incoming<'a>(&'a [u8]);

    /// Room for a frame.
    #[derive(Debug)]
    pub struct Outgoing<'a, F> {
        frames: &'a mut F,
        buffer: &'a mut Vec<u8>,
    }

    impl RxToken for Incoming<'_> {
        fn consume<R, W: FnOnce(&[u8]) -> R>(self, with: W) -> R {
            with(self.0)
        }
    }

    impl<F: Frames> TxToken for Outgoing<'_, F> {
        fn consume<R, W: FnOnce(&mut [u8]) -> R>(self, len: usize, with: W) -> R {
            if len > self.buffer.len() {
                self.buffer.resize(len, 0);
            }
            let frame = &mut self.buffer[..len];
            let result = with(frame);
            self.frames.send(frame);
            result
        }
    }

    impl<F: Frames> Device for Phy<F> {
        type RxToken<'a>
            = Incoming<'a>
        where
            F: 'a;
        type TxToken<'a>
            = Outgoing<'a, F>
        where
            F: 'a;

        fn receive(&mut self, _: Instant) -> Option<(Incoming<'_>, Outgoing<'_, F>)> {
            // Without room for its answer a frame waits.
            if !self.frames.has_room() {
                return None;
            }
            let bytes = self.frames.receive(&mut self.received)?;
            let frame = self.received.get(..bytes)?;
            Some((Incoming(frame), Outgoing { frames: &mut self.frames, buffer: &mut self.sending }))
        }

        fn transmit(&mut self, _: Instant) -> Option<Outgoing<'_, F>> {
            let room = self.frames.has_room();
            room.then_some(Outgoing { frames: &mut self.frames, buffer: &mut self.sending })
        }

        fn capabilities(&self) -> DeviceCapabilities {
            let mut capabilities = DeviceCapabilities::default();
            capabilities.medium = Medium::Ethernet;
            capabilities.max_transmission_unit = self.frames.longest();
            capabilities
        }
    }
}

#[cfg(all(test, feature = "smoltcp"))]
mod tests {
    use super::*;
    use crate::{Cable, cable};
    use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
    use smoltcp::phy::{Device, RxToken};
    use smoltcp::socket::tcp;
    use smoltcp::time::Instant;
    use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

    struct Host {
        phy: Phy<Cable>,
        interface: Interface,
        sockets: SocketSet<'static>,
        handle: SocketHandle,
    }

    impl Host {
        /// 10.0.0.NUMBER
        fn new(cable: Cable, number: u8) -> Self {
            let mut phy = Phy::new(cable);
            let config = Config::new(EthernetAddress([2, 0, 0, 0, 0, number]).into());
            let mut interface = Interface::new(config, &mut phy, Instant::ZERO);
            interface.update_ip_addrs(|addresses| {
                addresses.push(IpCidr::new(IpAddress::v4(10, 0, 0, number), 24)).unwrap();
            });
            let buffer = || tcp::SocketBuffer::new(vec![0; 4096]);
            let mut sockets = SocketSet::new(vec![]);
            let handle = sockets.add(tcp::Socket::new(buffer(), buffer()));
            Self { phy, interface, sockets, handle }
        }

        fn poll(&mut self, millisecond: i64) -> &mut tcp::Socket<'static> {
            self.interface.poll(Instant::from_millis(millisecond), &mut self.phy, &mut self.sockets);
            self.sockets.get_mut(self.handle)
        }
    }

    #[test]
    fn two_hosts_speak_tcp() {
        let (left, right) = cable(4);
        let (mut client, mut server) = (Host::new(left, 1), Host::new(right, 2));
        server.poll(0).listen(80).unwrap();
        let there = (IpAddress::v4(10, 0, 0, 2), 80);
        let socket = client.sockets.get_mut::<tcp::Socket>(client.handle);
        socket.connect(client.interface.context(), there, 50_000).unwrap();

        let text: Vec<u8> = (0..20_000u32).map(|index| (index % 251) as u8).collect();
        let (mut sent, mut heard) = (0, Vec::new());
        for millisecond in 1..10_000 {
            let socket = client.poll(millisecond);
            if socket.may_send() {
                sent += socket.send_slice(&text[sent..]).unwrap();
            }
            let socket = server.poll(millisecond);
            if socket.can_recv() {
                heard.extend(socket.recv(|data| (data.len(), data.to_vec())).unwrap());
            }
            if heard.len() == text.len() {
                break;
            }
        }
        assert!(heard == text, "{} of {} bytes", heard.len(), text.len());
    }

    #[test]
    fn without_room_for_an_answer_a_frame_waits() {
        let (mine, mut theirs) = cable(1);
        theirs.send(b"question");
        let mut phy = Phy::new(mine);
        phy.frames().send(b"fills the cable");
        assert!(phy.receive(Instant::ZERO).is_none() && phy.transmit(Instant::ZERO).is_none());
        assert_eq!(theirs.arrived(), [b"fills the cable"]);
        let (frame, _) = phy.receive(Instant::ZERO).unwrap();
        frame.consume(|frame| assert_eq!(frame, b"question"));
    }
}
