//! The calls of one step: which are run, and how.

use exoclaw_protocol::{Block, Decision, Effect, FailureKind, Metering, Reconciled, StopReason, ToolCall, ToolOutput};
use futures::{
    FutureExt, StreamExt, TryStreamExt,
    future::{Either, select},
    stream,
};
use tokio::sync::mpsc;
use tracing::Instrument;

use super::{Run, TurnError, repeats::Verdict};
use crate::{Asked, Decided, Invocation, Progress, ToolReturn, TurnEvent, TurnRecord, spans};

/// What one tool may have said before it was heard; further words are dropped by the tool's side.
const PROGRESS_QUEUE: usize = 16;

/// What happens with one call.
pub(super) enum Plan {
    Run(Effect),
    /// It was begun before, and running it again changes nothing more.
    RunAgain(Effect),
    /// It was begun before, and may have taken effect: run only if its tool knows that it did not.
    Settle,
    /// Its result is durable already.
    Recall(ToolReturn),
    Refuse(FailureKind, String),
}

impl Run {
    /// Decides on each call before any is run. A repeated call that ends the turn keeps its neighbours from running too.
    pub(super) fn plan(
        &mut self,
        step: u32,
        calls: &[ToolCall],
        stop_reason: StopReason,
        is_last: bool,
    ) -> (Vec<Plan>, Option<TurnError>) {
        let refuse_all = |text: &str| {
            calls.iter().map(|_| Plan::Refuse(FailureKind::Cancelled, text.to_owned())).collect::<Vec<_>>()
        };
        if stop_reason != StopReason::ToolUse {
            return (refuse_all("not run: the answer was cut off, so this call may not be whole"), None);
        }
        if is_last {
            return (refuse_all("not run: the turn has reached its limit of steps"), None);
        }
        let mut plans = Vec::with_capacity(calls.len());
        for call in calls {
            plans.push(match self.repeats.judge(step, call) {
                Verdict::Run => self.plan_one(call),
                Verdict::Tell(times) => Plan::Refuse(
                    FailureKind::Cancelled,
                    format!(
                        "not run: this is call number {times} in a row with the same arguments. Use the results that \
                         you have, or do something else; one more identical call ends the turn."
                    ),
                ),
                Verdict::End(times) => {
                    let error = TurnError::Repeated { tool: call.name.clone(), times };
                    return (refuse_all("not run: the turn ended because calls were repeated"), Some(error));
                }
            });
        }
        (plans, None)
    }

    fn plan_one(&self, call: &ToolCall) -> Plan {
        let tools = &self.request.tools;
        let Some(spec) = tools.iter().find(|spec| spec.name == call.name) else {
            let names: Vec<_> = tools.iter().map(|spec| spec.name.as_str()).collect();
            let text = format!("there is no tool named {:?}. Tools: {}", call.name, names.join(", "));
            return Plan::Refuse(FailureKind::UnknownTool, text);
        };
        if call.input.is_object() {
            return Plan::Run(spec.effect);
        }
        let text = format!("the arguments are not a JSON object: {}", call.input);
        Plan::Refuse(FailureKind::InvalidArguments, text)
    }

    /// Carries the plans out, the calls side by side, and gives the results in the order of the calls.
    pub(super) async fn perform(
        &self,
        step: u32,
        calls: &[ToolCall],
        plans: Vec<Plan>,
    ) -> Result<Vec<Block>, TurnError> {
        // Boxed: rustc can't see that a stream of futures which borrow is `Send`.
        let work = calls.iter().zip(plans).map(|(call, plan)| self.perform_one(step, call, plan).boxed());
        let work: Vec<_> = work.collect();
        stream::iter(work).buffered(self.turn.limits.parallel_calls.max(1)).try_collect().await
    }

    async fn perform_one(&self, step: u32, call: &ToolCall, plan: Plan) -> Result<Block, TurnError> {
        let ToolOutput { content, is_error, .. } = match plan {
            Plan::Recall(returned) => returned.output,
            plan => self.carry_out(step, call, plan).await?,
        };
        Ok(Block::ToolResult { id: call.id.clone(), content, is_error })
    }

    async fn carry_out(&self, step: u32, call: &ToolCall, plan: Plan) -> Result<ToolOutput, TurnError> {
        let plan = match plan {
            // What was begun before was allowed before.
            Plan::Run(effect) => match self.approve(step, call).await? {
                Some((kind, text)) => Plan::Refuse(kind, text),
                None => Plan::Run(effect),
            },
            plan => plan,
        };
        let effect = match plan {
            Plan::Run(effect) => {
                // Running the others again changes nothing, so it need not be known that they were begun.
                if effect >= Effect::Idempotent {
                    self.record(TurnRecord::Intent { step, call: call.clone(), effect }).await?;
                }
                effect
            }
            Plan::RunAgain(effect) => effect,
            Plan::Settle => Effect::Once,
            Plan::Refuse(..) | Plan::Recall(_) => Effect::Pure,
        };
        self.emit(TurnEvent::ToolStarted { call: call.clone(), effect }).await?;
        let returned = match plan {
            Plan::Run(_) | Plan::RunAgain(_) => self.call(step, call).await?,
            Plan::Settle => match self.turn.tools.reconcile(step, call.clone()).await {
                Reconciled::Happened(output) => without_cost(output),
                Reconciled::NotHappened => self.call(step, call).await?,
                Reconciled::Unknown => without_cost(ToolOutput::outcome_unknown()),
            },
            Plan::Refuse(kind, text) => without_cost(ToolOutput::failed(kind, text)),
            Plan::Recall(returned) => returned,
        };
        self.record(TurnRecord::Result { step, call: call.clone(), returned: returned.clone() }).await?;
        let ToolReturn { output, metering } = returned;
        let (call_id, name) = (call.id.clone(), call.name.clone());
        self.emit(TurnEvent::ToolFinished { call_id, name, output: output.clone(), metering }).await?;
        Ok(output)
    }

    /// Asks for a call where that is needed; why it is not made, if so.
    async fn approve(&self, step: u32, call: &ToolCall) -> Result<Option<(FailureKind, String)>, TurnError> {
        let decision = match self.turn.approver.ask(step, call).await.map_err(TurnError::Record)? {
            Asked::NotNeeded => return Ok(None),
            Asked::Refused(kind, text) => return Ok(Some((kind, text))),
            Asked::Decided(decision) => decision,
            Asked::Waits(approval, answer) => {
                let id = approval.id.clone();
                self.emit(TurnEvent::ApprovalRequested { approval }).await?;
                let Decided { decision, by } = answer.await.map_err(TurnError::Record)?;
                self.emit(TurnEvent::ApprovalResolved { id, decision, by }).await?;
                decision
            }
        };
        Ok(match decision {
            Decision::Allowed => None,
            Decision::Denied => {
                let text = "not run: the user was asked and did not allow this call. Do not try it again unless the user \
                            wants it; go on without it, or ask what they want instead.";
                Some((FailureKind::Denied, text.to_owned()))
            }
            Decision::Expired => {
                let text = "not run: this call has to be allowed by the user, and nobody answered in time. Say so, and go \
                            on without it.";
                Some((FailureKind::Denied, text.to_owned()))
            }
        })
    }

    /// Runs one call, in a span of its own.
    async fn call(&self, step: u32, call: &ToolCall) -> Result<ToolReturn, TurnError> {
        let span = spans::execute_tool(call);
        let returned = self.attend(step, call).instrument(span.clone()).await;
        spans::returned(&span, &returned);
        returned
    }

    /// Runs one call and passes its progress on at the same time.
    async fn attend(&self, step: u32, call: &ToolCall) -> Result<ToolReturn, TurnError> {
        let (progress, mut said) = mpsc::channel(PROGRESS_QUEUE);
        let running = self.turn.tools.call(Invocation { step, call: call.clone(), progress });
        let returned = match select(running, Box::pin(self.pass_on(call, &mut said))).await {
            Either::Left((returned, _)) => returned,
            Either::Right((passed_on, running)) => {
                passed_on?;
                running.await
            }
        };
        // Closed first: a tool may have handed its sender to something that lives on.
        said.close();
        self.pass_on(call, &mut said).await?;
        Ok(returned)
    }

    async fn pass_on(&self, call: &ToolCall, said: &mut mpsc::Receiver<Progress>) -> Result<(), TurnError> {
        while let Some(progress) = said.recv().await {
            self.emit(TurnEvent::ToolProgress { call_id: call.id.clone(), progress }).await?;
        }
        Ok(())
    }
}

fn without_cost(output: ToolOutput) -> ToolReturn {
    ToolReturn { output, metering: Metering::default() }
}
