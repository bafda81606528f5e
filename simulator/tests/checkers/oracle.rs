//! Deliberately dumb searches: every order of a handful of operations is tried.

/// An operation of a mutex: the lease that it acquires or releases, and when it may take effect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) lease: usize,
    pub(crate) acquires: bool,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// Whether the steps have an order that keeps to real time and in which a mutex is never acquired twice.
pub(crate) fn mutex_order_exists(steps: &[Step]) -> bool {
    fn search(left: &mut Vec<Step>, holder: Option<usize>) -> bool {
        if left.is_empty() {
            return true;
        }
        for index in 0..left.len() {
            let step = left[index];
            // Whatever was over before this step began must have come before it.
            let is_first = left.iter().all(|other| other.last >= step.first);
            let is_legal = if step.acquires {
                holder.is_none()
            } else {
                holder == Some(step.lease)
            };
            if is_first && is_legal {
                left.remove(index);
                let found = search(left, step.acquires.then_some(step.lease));
                left.insert(index, step);
                if found {
                    return true;
                }
            }
        }
        false
    }
    search(&mut steps.to_vec(), None)
}

/// Whether grants (invoked, returned, token) have an order that keeps to real time and in which tokens grow.
pub(crate) fn fenced_order_exists(grants: &[(u64, u64, u64)]) -> bool {
    fn search(left: &mut Vec<(u64, u64, u64)>, highest: Option<u64>) -> bool {
        if left.is_empty() {
            return true;
        }
        for index in 0..left.len() {
            let grant = left[index];
            let is_first = left.iter().all(|other| other.1 >= grant.0);
            if is_first && highest.is_none_or(|highest| highest < grant.2) {
                left.remove(index);
                let found = search(left, Some(grant.2));
                left.insert(index, grant);
                if found {
                    return true;
                }
            }
        }
        false
    }
    search(&mut grants.to_vec(), None)
}
