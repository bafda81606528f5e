//! The client that puts the cluster into service.

use super::super::wire::FromWorker;

/// Tries until it is done, and then never again: a cluster that it admitted is not new any more, and says so to whoever asks a second time
/// because nobody has told yet that it is in service.
#[derive(Debug, Default)]
pub(super) struct Operator {
    is_done: bool,
}

impl Operator {
    /// One try, and what the supervisor is to hear of it.
    pub(super) async fn act(
        &mut self,
        deploy: impl Future<Output = Result<(), String>>,
    ) -> Option<FromWorker> {
        if self.is_done {
            return None;
        }
        let tried = deploy.await;
        self.is_done = tried.is_ok();
        Some(match tried {
            Ok(()) => FromWorker::Deployed,
            Err(why) => FromWorker::NotDeployed { why },
        })
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, future::ready};

    use super::*;

    #[test]
    fn it_tries_until_the_cluster_is_admitted_and_never_again() {
        let mut operator = Operator::default();
        let mut act = |answer: Result<(), &str>| {
            let deploy = ready(answer.map_err(str::to_owned));
            operator.act(deploy).now_or_never().unwrap()
        };
        let refused = |said| matches!(said, Some(FromWorker::NotDeployed { why }) if why == "no");
        assert!(refused(act(Err("no"))));
        assert!(refused(act(Err("no"))));
        assert!(matches!(act(Ok(())), Some(FromWorker::Deployed)));
        assert!(act(Err("it is not new")).is_none());
        assert!(act(Ok(())).is_none());
    }
}
