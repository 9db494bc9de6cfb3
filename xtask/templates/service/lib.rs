//! A service of `{{protocol}}`.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]
{{modules}}
{{imports}}

/// The service's state.
#[derive(Debug, Default)]
pub struct {{Type}} {}

impl {{Type}} {
    /// A service that has done nothing yet.
    pub const fn new() -> Self {
        Self {}
    }
}

/// What clients ask for. A method that is not written yet is refused, as one that the protocol does not have.
impl {{Trait}} for {{Type}} {
{{methods}}}

#[cfg(test)]
mod tests {
    use super::*;
    use {{protocol_path_inside}}::{{Trait}}Server;
    use ipc::{Dispatch, Loopback};

    #[test]
    fn it_serves_its_protocol() {
        let service = Loopback::new({{Trait}}Server({{Type}}::new()));
        assert_eq!(protocol_of(&service).name, "{{protocol}}");
    }

    fn protocol_of<D: Dispatch>(_: &Loopback<D>) -> &'static ipc::Protocol {
        D::PROTOCOL
    }
}
