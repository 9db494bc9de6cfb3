//! The queue of deadlines: a leftist heap through the objects themselves. Adding, removing any and taking the first cost
//! O(log n).

use crate::mm::{Mem, Ref};
use crate::object::{SchedContext, Timer};

/// What a deadline is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// A SchedContext gets time back.
    Refill,
    /// A Timer fires.
    Timer,
}

/// A node of the heap: the first field of every object with a deadline.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// Ticks.
    pub deadline: u64,
    /// What it belongs to.
    pub owner: Owner,
    /// Whether it is in the heap.
    pub queued: bool,
    /// Length of the shortest way down to a missing child.
    pub(crate) rank: u8,
    pub(crate) left: Option<Ref<Node>>,
    pub(crate) right: Option<Ref<Node>>,
    pub(crate) up: Option<Ref<Node>>,
}

impl Node {
    /// A node outside the heap.
    pub const fn new(owner: Owner) -> Self {
        Self { deadline: 0, owner, queued: false, rank: 0, left: None, right: None, up: None }
    }
}

/// A deadline that has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// This SchedContext gets time back.
    Refill(Ref<SchedContext>),
    /// This Timer fires.
    Timer(Ref<Timer>),
}

/// The heap.
#[derive(Debug, Default)]
pub struct Deadlines {
    pub(crate) root: Option<Ref<Node>>,
}

fn rank(mem: &Mem, node: Option<Ref<Node>>) -> u8 {
    node.map_or(0, |node| mem[node].rank)
}

/// Merges two heaps along their right spines, which are short.
fn merge(mem: &mut Mem, a: Option<Ref<Node>>, b: Option<Ref<Node>>) -> Option<Ref<Node>> {
    let (Some(mut a), Some(mut b)) = (a, b) else { return a.or(b) };
    if mem[b].deadline < mem[a].deadline {
        core::mem::swap(&mut a, &mut b);
    }
    let root = a;
    mem[root].up = None;
    // Down: each step hangs the smaller one in; up: order and ranks are set right.
    let mut at = root;
    loop {
        let right = mem[at].right;
        let Some(mut other) = right else {
            mem[at].right = Some(b);
            mem[b].up = Some(at);
            break;
        };
        if mem[b].deadline < mem[other].deadline {
            core::mem::swap(&mut other, &mut b);
        }
        mem[at].right = Some(other);
        mem[other].up = Some(at);
        at = other;
    }
    let mut at = Some(at);
    while let Some(node) = at {
        mend(mem, node);
        at = mem[node].up;
    }
    Some(root)
}

/// Sets order and rank of a node right; says whether the rank changed.
fn mend(mem: &mut Mem, node: Ref<Node>) -> bool {
    let Node { left, right, rank: before, .. } = mem[node];
    if rank(mem, left) < rank(mem, right) {
        (mem[node].left, mem[node].right) = (right, left);
    }
    mem[node].rank = 1 + rank(mem, mem[node].right);
    mem[node].rank != before
}

impl Deadlines {
    /// An empty heap.
    pub const fn new() -> Self {
        Self { root: None }
    }

    /// The first deadline.
    pub fn first(&self, mem: &Mem) -> Option<u64> {
        self.root.map(|node| mem[node].deadline)
    }

    /// Adds a node that is not in the heap.
    pub fn add(&mut self, mem: &mut Mem, node: Ref<Node>, deadline: u64) {
        let object = &mut mem[node];
        debug_assert!(!object.queued);
        (object.deadline, object.queued, object.rank) = (deadline, true, 1);
        (object.left, object.right, object.up) = (None, None, None);
        self.root = merge(mem, self.root, Some(node));
    }

    /// Removes a node, if it is in the heap.
    pub fn remove(&mut self, mem: &mut Mem, node: Ref<Node>) {
        if !core::mem::take(&mut mem[node].queued) {
            return;
        }
        let Node { left, right, up, .. } = mem[node];
        for child in [left, right].into_iter().flatten() {
            mem[child].up = None;
        }
        let rest = merge(mem, left, right);
        if let Some(rest) = rest {
            mem[rest].up = up;
        }
        match up {
            None => self.root = rest,
            Some(up) => {
                if mem[up].left == Some(node) {
                    mem[up].left = rest;
                } else {
                    mem[up].right = rest;
                }
                // Ranks grow on the way up, so there are few that change.
                let mut at = Some(up);
                while let Some(node) = at
                    && mend(mem, node)
                {
                    at = mem[node].up;
                }
            }
        }
        (mem[node].left, mem[node].right, mem[node].up) = (None, None, None);
    }

    /// Takes the first deadline if it has come.
    pub fn take_due(&mut self, mem: &mut Mem, now: u64) -> Option<Due> {
        let node = self.root.filter(|&node| mem[node].deadline <= now)?;
        let owner = mem[node].owner;
        self.remove(mem, node);
        match owner {
            Owner::Refill => Ref::from_number(node.number()).map(Due::Refill),
            Owner::Timer => Ref::from_number(node.number()).map(Due::Timer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::Phys;

    const RAM: u64 = 0x4000_0000;

    fn depth_of_spine(mem: &Mem, heap: &Deadlines) -> u32 {
        let (mut at, mut depth) = (heap.root, 0);
        while let Some(node) = at {
            (at, depth) = (mem[node].right, depth + 1);
        }
        depth
    }

    /// Random additions, removals and takings against a sorted list.
    #[test]
    fn as_a_sorted_list() {
        let mut mem = crate::arch::arena(Phys(RAM), 1 << 20);
        let mut seed = 0x1234_5678_9abc_def1u64;
        let mut random = move |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        let mut nodes: Vec<Ref<Node>> = Vec::new();
        for index in 1..=400 {
            let place = Phys(RAM + 1024 * index);
            let object = mem.create(place, SchedContext::new());
            nodes.push(Ref::from_number(object.number()).unwrap());
        }
        let (mut heap, mut list) = (Deadlines::new(), Vec::<(u64, Ref<Node>)>::new());
        let mut now = 0;
        for step in 0..40_000 {
            let node = nodes[random(nodes.len() as u64) as usize];
            match random(4) {
                0 | 1 if !mem[node].queued => {
                    let deadline = now + random(if step % 2000 < 1000 { 20 } else { 100_000 });
                    heap.add(&mut mem, node, deadline);
                    list.push((deadline, node));
                }
                2 => {
                    heap.remove(&mut mem, node);
                    list.retain(|&(_, other)| other != node);
                }
                _ => {
                    now += random(30);
                    while let Some(due) = heap.take_due(&mut mem, now) {
                        let Due::Refill(object) = due else { panic!("{due:?}") };
                        let at = list.iter().position(|&(_, node)| node.number() == object.number()).unwrap();
                        let (deadline, _) = list.remove(at);
                        assert!(deadline <= now && list.iter().all(|&(other, _)| other >= deadline));
                    }
                    assert!(list.iter().all(|&(deadline, _)| deadline > now));
                }
            }
            assert_eq!(heap.first(&mem), list.iter().map(|&(deadline, _)| deadline).min());
            assert!(nodes.iter().filter(|&&node| mem[node].queued).count() == list.len());
            assert!(depth_of_spine(&mem, &heap) <= (list.len() + 1).ilog2());
        }
        while let Some(Due::Refill(object)) = heap.take_due(&mut mem, u64::MAX) {
            let first = list.iter().map(|&(deadline, _)| deadline).min().unwrap();
            let at = list.iter().position(|&(_, node)| node.number() == object.number()).unwrap();
            assert_eq!(list.swap_remove(at).0, first);
        }
        assert!(list.is_empty() && heap.root.is_none());
    }
}
