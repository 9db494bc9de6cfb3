//! The heap: a Reserve of part of the process's memory in a range that is much longer. Its pages are there when they are
//! touched, without a call, and those of large blocks that are freed go back.

#[cfg(target_os = "none")]
mod reserved {
    use core::alloc::{GlobalAlloc, Layout};
    use core::ptr::NonNull;

    use abi::{
        Kind,
        layout::{PAGE, USER_MAPPINGS},
    };
    use linked_list_allocator::Heap;
    use spin::Mutex;

    use crate::cap::{Cap, HEAP, MEMORY, Retype, SPACE, TABLE};
    use crate::env::env;

    struct Reserved(Mutex<State>);

    struct State {
        heap: Heap,
        /// Bytes of memory for blocks; 0 before the first allocation.
        memory: usize,
    }

    #[global_allocator]
    static RESERVED: Reserved = Reserved(Mutex::new(State { heap: Heap::empty(), memory: 0 }));

    /// At a free block's start the allocator keeps its length and the next one's address.
    const HOLE: usize = 16;
    /// Fewer whole pages of a freed block are kept: they will be used again soon.
    const FEW: usize = 4;

    impl State {
        /// Ties memory to the heap's range; `false` when there is none.
        fn open(&mut self) -> bool {
            let Some(info) = env().map(crate::Env::start_info) else { return false };
            let (base, bytes) = (info.heap_base, USER_MAPPINGS.saturating_sub(info.heap_base));
            // init has put memory there itself.
            let what = Retype { size: info.heap_limit / PAGE, ..Retype::default() };
            let _ = MEMORY.retype(Kind::Untyped, what, TABLE, HEAP.slot());
            let Ok((_, pages)) = SPACE.reserve(Cap::from_slot(HEAP.slot()), base, bytes / PAGE) else { return false };
            // SAFETY: nothing else lies in the range, for ever; each of its pages is memory when it is touched, or, when the
            // memory is used up, the end of the process.
            unsafe { self.heap.init(base as *mut u8, bytes as usize) };
            // One is the allocator's own: behind the last block begins a free one.
            self.memory = (pages.saturating_sub(1) * PAGE) as usize;
            true
        }

        fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
            if self.memory == 0 && !self.open() {
                return None;
            }
            // There are more addresses than memory.
            let fits = layout.size() <= self.memory.saturating_sub(self.heap.used());
            if fits { self.heap.allocate_first_fit(layout).ok() } else { None }
        }

        /// Gives back the whole pages of a block that was freed just now. The allocator reads nothing of a free block but its
        /// start, and what it lies next to is not touched.
        fn give_back(&self, block: usize, bytes: usize) {
            let page = PAGE as usize;
            let (start, end) = ((block + HOLE).next_multiple_of(page), (block + bytes) & !(page - 1));
            if end >= start + FEW * page {
                let _ = HEAP.release(start as u64, ((end - start) / page) as u64);
            }
        }
    }

    // SAFETY: blocks come from `Heap`, which hands out each byte once, behind a lock; pages that are given back lie inside
    // blocks that are free.
    unsafe impl GlobalAlloc for Reserved {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            self.0.lock().alloc(layout).map_or(core::ptr::null_mut(), NonNull::as_ptr)
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            let Some(start) = NonNull::new(block) else { return };
            let mut state = self.0.lock();
            // SAFETY: the caller promises that the block came from `alloc` with this layout.
            unsafe { state.heap.deallocate(start, layout) };
            state.give_back(block as usize, layout.size());
        }
    }
}
