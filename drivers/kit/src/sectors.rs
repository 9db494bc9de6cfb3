//! Disks: sectors that are read and written.
//!
//! [`Sectors`] is Tutti's side: a client of the block protocol implements it. `Flash`, with the feature `storage`, makes of
//! it a flash chip of `embedded-storage-async`.

use core::error::Error;
use core::future::Future;

/// Bytes of a sector.
pub const SECTOR: usize = 512;

/// A disk. Each buffer is a whole number of sectors long.
pub trait Sectors {
    /// Why it could not.
    type Error: Error;

    /// Sectors of the disk.
    fn count(&self) -> u64;

    /// Reads sectors, from `first` on.
    ///
    /// # Errors
    /// They are not on the disk, it is gone, or it failed.
    fn read(&mut self, first: u64, out: &mut [u8]) -> impl Future<Output = Result<(), Self::Error>>;

    /// Writes sectors, from `first` on. They are on the medium when [`Self::flush`] has returned.
    ///
    /// # Errors
    /// They are not on the disk, it is gone, or it failed.
    fn write(&mut self, first: u64, bytes: &[u8]) -> impl Future<Output = Result<(), Self::Error>>;

    /// Returns when everything that was written is on the medium.
    ///
    /// # Errors
    /// The disk is gone, or it failed.
    fn flush(&mut self) -> impl Future<Output = Result<(), Self::Error>>;
}

#[cfg(feature = "storage")]
pub use flash::{Flash, FlashError};

#[cfg(feature = "storage")]
mod flash {
    use core::error::Error;

    use embedded_storage_async::nor_flash::{
        ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
    };

    use super::{SECTOR, Sectors};

    /// A part of a disk for `embedded-storage-async` 0.4: `NorFlash` and `MultiwriteNorFlash`, with pages of 4 KiB that
    /// erasing fills with ones, and words of four bytes whose bits writing clears. What was written or erased is on the
    /// medium when the call returns.
    ///
    /// ```
    /// # use tutti_kit as kit;
    /// use embedded_storage_async::nor_flash::{NorFlash, ReadNorFlash};
    /// use kit::{fake, sectors::Flash};
    ///
    /// # futures::executor::block_on(async {
    /// let mut flash = Flash::new(fake::Disk::new(64), 0, 64).unwrap();
    /// flash.erase(0, 4096).await.unwrap();
    /// flash.write(8, b"data").await.unwrap();
    /// let mut back = [0; 5];
    /// flash.read(8, &mut back).await.unwrap();
    /// assert_eq!(&back, b"data\xff");
    /// # })
    /// ```
    #[derive(Debug)]
    pub struct Flash<S> {
        sectors: S,
        first: u64,
        bytes: usize,
    }

    /// Bytes of a page.
    const PAGE: usize = 4096;

    /// Why a flash chip made of a disk did not do it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum FlashError<E> {
        /// The range does not begin or end where it may.
        NotAligned,
        /// The range does not lie on the chip.
        OutOfBounds,
        /// The disk.
        Disk(E),
    }

    impl<E: Error> NorFlashError for FlashError<E> {
        fn kind(&self) -> NorFlashErrorKind {
            match self {
                Self::NotAligned => NorFlashErrorKind::NotAligned,
                Self::OutOfBounds => NorFlashErrorKind::OutOfBounds,
                Self::Disk(_) => NorFlashErrorKind::Other,
            }
        }
    }

    impl<E: Error> core::fmt::Display for FlashError<E> {
        fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            match self {
                Self::NotAligned => f.write_str("the range does not begin and end at a word, or a page to erase"),
                Self::OutOfBounds => f.write_str("the range does not lie in this part of the disk"),
                Self::Disk(error) => write!(f, "{error}"),
            }
        }
    }

    impl<E: Error> Error for FlashError<E> {}

    /// The bytes of a range that lie in one sector.
    struct Part {
        sector: u64,
        /// Where in the sector.
        start: usize,
        /// Where in the range.
        done: usize,
        bytes: usize,
    }

    impl<S: Sectors> Flash<S> {
        /// `count` sectors of the disk from `first` on. `None`: they are not on the disk, are no whole pages, or more than
        /// 32 bits can count.
        pub fn new(sectors: S, first: u64, count: u64) -> Option<Self> {
            let bytes = count.checked_mul(SECTOR as u64)?;
            let fits = first.checked_add(count)? <= sectors.count();
            let fits = fits && u32::try_from(bytes).is_ok() && bytes.is_multiple_of(PAGE as u64);
            fits.then_some(Self { sectors, first, bytes: bytes as usize })
        }

        fn check(&self, offset: u32, bytes: usize, align: usize) -> Result<usize, FlashError<S::Error>> {
            let offset = offset as usize;
            if offset.checked_add(bytes).is_none_or(|end| end > self.bytes) {
                return Err(FlashError::OutOfBounds);
            }
            let fits = offset.is_multiple_of(align) && bytes.is_multiple_of(align);
            if fits { Ok(offset) } else { Err(FlashError::NotAligned) }
        }

        /// The parts of a range, sector by sector.
        fn parts(&self, offset: usize, bytes: usize) -> impl Iterator<Item = Part> + use<S> {
            let (first, mut done) = (self.first, 0);
            core::iter::from_fn(move || {
                let place = offset + done;
                let part = Part {
                    sector: first + (place / SECTOR) as u64,
                    start: place % SECTOR,
                    done,
                    bytes: (SECTOR - place % SECTOR).min(bytes - done),
                };
                done += part.bytes;
                (part.bytes > 0).then_some(part)
            })
        }

        async fn sector(&mut self, sector: u64) -> Result<[u8; SECTOR], FlashError<S::Error>> {
            let mut content = [0; SECTOR];
            self.sectors.read(sector, &mut content).await.map_err(FlashError::Disk)?;
            Ok(content)
        }

        async fn flush(&mut self) -> Result<(), FlashError<S::Error>> {
            self.sectors.flush().await.map_err(FlashError::Disk)
        }
    }

    impl<S: Sectors> ErrorType for Flash<S> {
        type Error = FlashError<S::Error>;
    }

    impl<S: Sectors> ReadNorFlash for Flash<S> {
        const READ_SIZE: usize = 1;

        async fn read(&mut self, offset: u32, out: &mut [u8]) -> Result<(), Self::Error> {
            let offset = self.check(offset, out.len(), Self::READ_SIZE)?;
            for Part { sector, start, done, bytes } in self.parts(offset, out.len()) {
                let content = self.sector(sector).await?;
                out[done..done + bytes].copy_from_slice(&content[start..start + bytes]);
            }
            Ok(())
        }

        fn capacity(&self) -> usize {
            self.bytes
        }
    }

    impl<S: Sectors> NorFlash for Flash<S> {
        const WRITE_SIZE: usize = 4;
        const ERASE_SIZE: usize = PAGE;

        async fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
            let bytes = to.checked_sub(from).ok_or(FlashError::OutOfBounds)? as usize;
            let offset = self.check(from, bytes, PAGE)?;
            for place in (offset..offset + bytes).step_by(PAGE) {
                let sector = self.first + (place / SECTOR) as u64;
                self.sectors.write(sector, &[0xff; PAGE]).await.map_err(FlashError::Disk)?;
            }
            self.flush().await
        }

        async fn write(&mut self, offset: u32, data: &[u8]) -> Result<(), Self::Error> {
            let offset = self.check(offset, data.len(), Self::WRITE_SIZE)?;
            for Part { sector, start, done, bytes } in self.parts(offset, data.len()) {
                let mut content = self.sector(sector).await?;
                let places = content[start..start + bytes].iter_mut();
                places.zip(&data[done..done + bytes]).for_each(|(place, byte)| *place &= byte);
                self.sectors.write(sector, &content).await.map_err(FlashError::Disk)?;
            }
            self.flush().await
        }
    }

    impl<S: Sectors> MultiwriteNorFlash for Flash<S> {}
}

#[cfg(all(test, feature = "storage"))]
mod tests {
    use super::*;
    use crate::fake;
    use embedded_storage_async::nor_flash::{NorFlash, ReadNorFlash};
    use futures::executor::block_on;
    use sequential_storage::cache::Cache;
    use sequential_storage::map::{MapConfig, MapStorage};

    #[test]
    fn bits_are_cleared_by_writing_and_set_by_erasing() {
        let mut flash = Flash::new(fake::Disk::new(32), 8, 16).unwrap();
        block_on(async {
            let mut back = [0; 8];
            flash.erase(0, 8192).await.unwrap();
            flash.write(508, b"sectors!").await.unwrap();
            flash.write(512, &[0xff, 0, 0xff, 0xff]).await.unwrap();
            flash.read(508, &mut back).await.unwrap();
            assert_eq!(&back, b"sect\x6f\0s!");
            flash.erase(0, 4096).await.unwrap();
            flash.read(508, &mut back).await.unwrap();
            assert_eq!(back, [0xff; 8]);
        });
    }

    #[test]
    fn ranges_are_checked() {
        let disk = || fake::Disk::new(32);
        assert!(Flash::new(disk(), 24, 8).is_some());
        assert!(Flash::new(disk(), 25, 8).is_none() && Flash::new(disk(), 0, 7).is_none());
        assert!(Flash::new(disk(), u64::MAX, 8).is_none() && Flash::new(disk(), 0, u64::MAX).is_none());
        let mut flash = Flash::new(disk(), 0, 8).unwrap();
        block_on(async {
            assert_eq!(flash.read(4095, &mut [0; 2]).await, Err(FlashError::OutOfBounds));
            assert_eq!(flash.write(2, &[0; 4]).await, Err(FlashError::NotAligned));
            assert_eq!(flash.write(4, &[0; 3]).await, Err(FlashError::NotAligned));
            assert_eq!(flash.erase(0, 512).await, Err(FlashError::NotAligned));
            assert_eq!(flash.erase(4096, 0).await, Err(FlashError::OutOfBounds));
            assert_eq!(flash.erase(0, 8192).await, Err(FlashError::OutOfBounds));
        });
    }

    #[test]
    fn settings_are_kept() {
        let disk = fake::Disk::new(64);
        let open = || {
            let flash = Flash::new(disk.clone(), 0, 64).unwrap();
            MapStorage::<u8, _, _>::new(flash, MapConfig::new(0..32768), Cache::new_uncached())
        };
        let mut buffer = [0; 128];
        block_on(async {
            let mut settings = open();
            settings.erase_all().await.unwrap();
            for round in 0..2000u32 {
                settings.store_item(&mut buffer, &((round % 7) as u8), &round).await.unwrap();
            }
            let mut settings = open();
            for key in 0..7 {
                let value = settings.fetch_item::<u32>(&mut buffer, &key).await.unwrap();
                assert_eq!(value.map(|value| value % 7), Some(u32::from(key)));
                assert!(value >= Some(1993));
            }
        });
    }
}
