//! What must always hold of time: who has it, through which calls it came, what is left of it, and what waits for when.

use abi::Kind;

use super::{Check, Checker, object};
use crate::deadline::{Node, Owner};
use crate::kernel::Kernel;
use crate::mm::Ref;
use crate::object::{Reply, SchedContext, State, Thread, Timer};

impl Checker {
    /// Both sides agree, and a thread with time of its own has some, unless it lent it.
    pub(super) fn check_time_of(&self, k: &Kernel, thread: Ref<Thread>) -> Check {
        let t = &k.mem[thread];
        let time = k.time_of(thread);
        if let Some(time) = time {
            must!(self.exists(time), "{thread:?} has time that does not exist");
            let holder = k.holder(time);
            must!(holder == Some(thread), "{thread:?} has {time:?}, which {holder:?} holds");
        }
        if let Some(home) = t.home {
            must!(self.exists(home), "{thread:?} has time of its own that does not exist");
            must!(k.mem[home].home == Some(thread), "{home:?} is not {thread:?}'s own time");
            // One who waits for an answer lent its time, or finds its own when the answer comes.
            let waits = matches!(t.state, State::AwaitingReply(_));
            must!(time.is_some() || waits, "{thread:?} has time and does not run on it");
        }
        must!(t.header.capabilities > 0 || t.home.is_none(), "{thread:?} is dead and has time");
        if let State::AwaitingReply(reply) = t.state {
            must!(k.mem[reply].time.is_none() || time.is_none(), "{thread:?} lent time and has some");
            must!(!t.fault.is_some() || t.key < 0, "{thread:?} reports a fault and the fast path would answer it");
            must!(t.key < 0 || t.key as u16 == t.priority.into(), "{thread:?} has key {}", t.key);
        }
        Ok(())
    }

    /// Only who waits lends, and only while it waits.
    pub(super) fn check_lending(&self, k: &Kernel, reply: Ref<Reply>) -> Check {
        let r = &k.mem[reply];
        let Some(time) = r.time else { return Ok(()) };
        must!(r.caller.is_some() && self.exists(time.into()), "{reply:?} carries time for nobody, or none");
        // From the thread whose time it is, through those who lent it on, to this Reply.
        let (mut at, mut count) = (k.mem[time].home, 0);
        while let Some(thread) = at {
            let State::AwaitingReply(other) = k.mem[thread].state else { break };
            must!(k.mem[other].time == Some(time) && count < 1000, "{reply:?}: {time:?} was not lent to here");
            if other == reply {
                return Ok(());
            }
            (at, count) = (k.mem[other].receiver, count + 1);
        }
        Err(format!("{reply:?}: {time:?} was not lent through it"))
    }

    /// The sum, the stack and the place among the deadlines.
    pub(super) fn check_sched_context(&self, k: &Kernel, context: Ref<SchedContext>) -> Check {
        let c = &k.mem[context];
        let out = c.refills.get(..c.out.into()).ok_or("too many refills")?;
        let sum: u64 = out.iter().map(|refill| refill.amount).sum();
        must!(c.left + sum == c.budget, "{context:?}: {} left and {sum} out of {}", c.left, c.budget);
        must!(c.budget <= c.period && (!c.unlimited() || c.debt == 0), "{context:?}: {} owed", c.debt);
        must!(out.is_sorted_by_key(|refill| refill.at), "{context:?}: refills are not in order");
        if let Some(home) = c.home {
            must!(self.exists(home) && k.mem[home].home == Some(context), "{context:?} has a home that has other time");
        }
        must!(c.plain == k.plain_word(context), "{context:?}: the fast path takes it for {:#x}", c.plain);
        let holder = k.holder(context);
        if let Some(reply) = c.used_for {
            must!(self.exists(reply), "{context:?} is used for nothing");
            must!(k.mem[reply].receiver == c.home && c.home.is_some(), "{context:?} is used for another's call");
            let owed = c.home.is_some_and(|home| k.mem[home].reply == Some(reply));
            must!(owed && k.mem[reply].caller.is_some(), "{context:?} is used for a call that is not owed");
        }
        let waits = holder
            .is_some_and(|holder| k.mem[holder].state == State::Ready && !k.mem[holder].queued && !k.runs(holder));
        must!(!waits || c.out == 0 || c.node.queued, "{context:?}: nobody wakes {:?}", holder);
        must!(!waits || c.out == 0 || c.node.deadline <= out[0].at, "{context:?}: {:?} is woken late", holder);
        Ok(())
    }

    pub(super) fn check_timer(&self, k: &Kernel, timer: Ref<Timer>) -> Check {
        let t = &k.mem[timer];
        must!(t.node.queued != t.held.is_empty(), "{timer:?} waits for nobody, or does not wait");
        Ok(())
    }

    /// A heap, leftist, of objects that live and know where they stand.
    pub(super) fn check_deadlines(&self, k: &Kernel) -> Check {
        let mut count = 0;
        for core in 0..k.sched.count() {
            if let Some(root) = k.sched.of(core).deadlines.root {
                must!(k.mem[root].up.is_none(), "the first deadline has one above it");
                self.check_node(k, core, root, &mut count)?;
            }
        }
        let queued = |&&(kind, number): &&(Kind, u64)| match kind {
            Kind::SchedContext => k.mem[object::<SchedContext>(number)].node.queued,
            Kind::Timer => k.mem[object::<Timer>(number)].node.queued,
            _ => false,
        };
        let known = self.objects.iter().filter(queued).count();
        must!(known == count, "{known} objects have deadlines, {count} stand in the heap");
        Ok(())
    }

    /// Its rank.
    fn check_node(&self, k: &Kernel, core: usize, node: Ref<Node>, count: &mut usize) -> Result<u8, String> {
        *count += 1;
        let n = &k.mem[node];
        let (lives, at) = match n.owner {
            Owner::Refill => {
                let context = object::<SchedContext>(node.number());
                (self.exists(context), k.mem[context].core)
            }
            Owner::Timer => {
                let timer = object::<Timer>(node.number());
                (self.exists(timer), k.mem[timer].core)
            }
        };
        must!(
            lives && n.queued && usize::from(at) == core,
            "{node:?} in the heap of core {core} does not exist or does not know that it is there"
        );
        let mut ranks = [0, 0];
        for (rank, child) in ranks.iter_mut().zip([n.left, n.right]) {
            let Some(child) = child else { continue };
            must!(k.mem[child].up == Some(node), "{child:?} does not know what is above it");
            must!(k.mem[child].deadline >= n.deadline, "{child:?} comes before {node:?}");
            *rank = self.check_node(k, core, child, count)?;
        }
        must!(ranks[0] >= ranks[1] && n.rank == ranks[1] + 1, "{node:?} has rank {} over {ranks:?}", n.rank);
        Ok(n.rank)
    }
}
