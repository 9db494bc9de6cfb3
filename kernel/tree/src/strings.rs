//! A value that is a list of texts, each ended by a zero.

/// The texts of a list such as `compatible`, in order (there: the most specific first). Ends at what is not UTF-8.
#[derive(Debug, Clone, Copy, Default)]
pub struct Strings<'a> {
    rest: &'a [u8],
}

impl<'a> Strings<'a> {
    pub(crate) fn new(value: &'a [u8]) -> Self {
        Self { rest: value }
    }

    /// The texts as they stand, not known to be UTF-8.
    pub(crate) fn raw(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.rest;
        core::iter::from_fn(move || {
            let length = rest.iter().position(|&byte| byte == 0).unwrap_or(rest.len());
            let text = rest.get(..length).filter(|_| !rest.is_empty());
            rest = rest.get(length + 1..).unwrap_or(&[]);
            text
        })
    }
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = core::str::from_utf8(self.raw().next()?).ok();
        self.rest = text.and_then(|text| self.rest.get(text.len() + 1..)).unwrap_or(&[]);
        text
    }
}

/// A value that is one text, with or without the zero at its end.
pub(crate) fn text(value: &[u8]) -> Option<&str> {
    let bytes = value.strip_suffix(&[0]).unwrap_or(value);
    core::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}
