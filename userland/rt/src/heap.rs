//! The heap: grows from the process's own untyped memory.

#[cfg(target_os = "none")]
mod grow {
    use core::alloc::{GlobalAlloc, Layout};

    use abi::{Perms, layout::PAGE};
    use linked_list_allocator::Heap;
    use spin::Mutex;

    use crate::env::env;

    struct Growing(Mutex<Heap>);

    #[global_allocator]
    static HEAP: Growing = Growing(Mutex::new(Heap::empty()));

    /// Least number of bytes taken at a time.
    const STEP: u64 = 32 * 1024;

    impl Growing {
        /// Maps more memory behind the heap; `false` when there is none.
        fn grow(heap: &mut Heap, layout: Layout) -> bool {
            let Some(env) = env() else { return false };
            let info = env.start_info();
            let have = heap.size() as u64;
            // Room for the block, its alignment and the allocator's own header.
            let need = (layout.size() + layout.align() + 64) as u64;
            let bytes = need.max(STEP).next_multiple_of(PAGE);
            if have + bytes > info.heap_limit {
                return false;
            }
            let Ok(frame) = crate::vm::new_frame(bytes / PAGE) else { return false };
            let address = info.heap_base + have;
            if crate::cap::SPACE.map(frame, address, 0, bytes / PAGE, Perms::READ | Perms::WRITE).is_err() {
                return false;
            }
            if have == 0 {
                // SAFETY: the range was just mapped writable, belongs to nothing else and stays mapped.
                unsafe { heap.init(address as *mut u8, bytes as usize) };
            } else {
                // SAFETY: the range was just mapped writable right behind the heap's end.
                unsafe { heap.extend(bytes as usize) };
            }
            true
        }
    }

    // SAFETY: blocks come from `Heap`, which hands out each byte once, behind a lock.
    unsafe impl GlobalAlloc for Growing {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            let mut heap = self.0.lock();
            loop {
                if let Ok(block) = heap.allocate_first_fit(layout) {
                    return block.as_ptr();
                }
                if !Self::grow(&mut heap, layout) {
                    return core::ptr::null_mut();
                }
            }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            if let Some(block) = core::ptr::NonNull::new(block) {
                // SAFETY: the caller promises that the block came from `alloc` with this layout.
                unsafe { self.0.lock().deallocate(block, layout) };
            }
        }
    }
}
