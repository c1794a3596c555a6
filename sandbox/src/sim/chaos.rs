//! What goes wrong with invocations and calls of the functions, as the plan and the seed say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_smithy_types::body::SdkBody;
use http::StatusCode;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc::UnboundedSender;
use workflow::names;

use super::environments::Environments;
use super::footage::File;
use super::plan::Plan;
use super::services::{Quotas, SERVICES, Services, service};
use super::stage::Stage;
use super::truth::Policy;
use super::watch;
use super::workload::Action;
use crate::aws::Aws;
use crate::faults::{self, Beginning, Call, Fault, Refusal, Strike};
use crate::stack::Function;

/// How long a request may be on its way that nobody waits for any longer; a copy takes far longer.
const IN_FLIGHT_MAX: Duration = Duration::from_secs(30);
const COPY_IN_FLIGHT_MAX: Duration = Duration::from_mins(14);

/// How long a slow call takes at most, and from when on one is.
const SLOW_MAX: Duration = Duration::from_mins(2);
const SLOW_FROM: Duration = Duration::from_secs(5);

/// How often most calls fail while their service is in a storm.
const STORM_FAILURES: f64 = 0.8;

/// When an invocation is killed that is killed at some moment: most are over after some hundred milliseconds.
const KILLED_MAX: Duration = Duration::from_secs(2);

/// How likely people act at a copy that goes wrong, or at a start without an answer, if they act at such moments at all.
const PROMPTED_IF_STRUCK: f64 = 0.5;

/// How often people act at such moments in a run: each redrive makes calls, and so more such moments, without an end.
const PROMPTED_MAX: u32 = 1000;

/// For how long starts are throttled after one without an answer.
const BUSY_MAX: Duration = Duration::from_mins(10);

/// How much later an execution is redriven that was stopped at the moment of its copy; mostly far sooner.
const REDRIVEN_AFTER_MAX: Duration = Duration::from_hours(3);

/// What strikes which call of the functions, by its number from 0: whatever the plan says, and whenever.
pub type Strikes = BTreeMap<u64, Fault>;

/// A time at which a service mostly fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Storm {
    pub(super) service: &'static str,
    pub(super) from_ms: u64,
    pub(super) to_ms: u64,
}

/// The fault plan of a run at work.
pub(super) struct Chaos {
    pub(super) stage: Stage,
    pub(super) aws: Aws,
    pub(super) plan: Plan,
    /// Of a scene.
    pub(super) strikes: Option<Strikes>,
    pub(super) storms: Vec<Storm>,
    pub(super) rng: ChaCha8Rng,
    /// Request tokens of jobs, and whether somebody else used them first.
    pub(super) tokens: BTreeMap<String, bool>,
    /// Invocations whose environment was frozen before, and what services they have a dead connection to.
    pub(super) thawed: BTreeMap<u64, BTreeSet<&'static str>>,
    pub(super) environments: Environments,
    pub(super) quotas: Quotas,
    /// Request tokens of starts that are throttled, and until when.
    pub(super) busy: BTreeMap<String, Duration>,
    /// What people are prompted to do, and after which time.
    pub(super) prompts: Option<UnboundedSender<(Duration, Action)>>,
    pub(super) prompts_left: u32,
    /// Nothing goes wrong from then on.
    pub(super) until_ms: u64,
}

impl Chaos {
    /// One in which nothing goes wrong but what the quotas and the times of the services are.
    pub(super) fn new(stage: Stage, aws: Aws, plan: Plan, rng: ChaCha8Rng) -> Self {
        Self {
            stage,
            aws,
            plan,
            strikes: None,
            storms: Vec::new(),
            rng,
            tokens: BTreeMap::new(),
            thawed: BTreeMap::new(),
            environments: Environments::default(),
            quotas: Quotas::default(),
            busy: BTreeMap::new(),
            prompts: None,
            prompts_left: PROMPTED_MAX,
            until_ms: 0,
        }
    }

    fn is_over(&self) -> bool {
        self.stage.elapsed_ms() >= self.until_ms
    }

    fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.rng.random::<f64>() < probability
    }

    fn up_to(&mut self, max: Duration) -> Duration {
        max.mul_f64(self.rng.random())
    }

    fn fault(&mut self, call: &Call, request: &http::Request<SdkBody>) -> Option<Fault> {
        if call.operation == "StartContentModeration" {
            return self.fault_of_start(call, request);
        }
        if self.is_over() {
            return None;
        }
        self.drawn(call, request)
    }

    /// A start that somebody else's request token refuses is refused for ever; one without an answer is throttled for a while.
    fn fault_of_start(&mut self, call: &Call, request: &http::Request<SdkBody>) -> Option<Fault> {
        let token = watch::member(request, "ClientRequestToken").unwrap_or_default();
        if self.is_foreign(&token) {
            return Some(Fault::Refused(Refusal::ParameterMismatch));
        }
        if self.is_over() {
            return None;
        }
        if self.is_busy(&token) {
            return Some(Fault::Refused(Refusal::Throttled));
        }
        let fault = self.drawn(call, request);
        if is_unanswered(fault) && self.happens(self.plan.calls.busy_after_lost) {
            let until = Duration::from_millis(self.stage.elapsed_ms()) + self.up_to(BUSY_MAX);
            self.busy.insert(token, until);
        }
        fault
    }

    /// Whether starts with that token are throttled.
    fn is_busy(&self, token: &str) -> bool {
        let now = Duration::from_millis(self.stage.elapsed_ms());
        self.busy.get(token).is_some_and(|until| now < *until)
    }

    /// What goes wrong with a call by chance.
    fn drawn(&mut self, call: &Call, request: &http::Request<SdkBody>) -> Option<Fault> {
        let faults = self.plan.calls;
        let is_copy = call.operation.ends_with(" copy") || call.operation.starts_with("POST ");
        let dead = self.thawed.get_mut(&call.invocation);
        if dead.is_some_and(|dead| dead.remove(service(&call.operation))) {
            return Some(Fault::Refused(Refusal::Reset));
        }
        if self.in_storm(call) && self.happens(STORM_FAILURES) {
            let all = [
                Fault::Refused(Refusal::Throttled),
                Fault::Refused(Refusal::Internal),
                Fault::Refused(Refusal::Reset),
                Fault::AnswerLost(Refusal::Internal),
            ];
            return Some(all[self.rng.random_range(0..all.len())]);
        }
        let is_conditional = ["if-match", "if-none-match"]
            .iter()
            .any(|name| request.headers().contains_key(*name))
            && request.method() != http::Method::GET;
        let is_next_page = call.operation == "GetContentModeration"
            && request.body().bytes().is_some_and(|body| {
                body.windows(11)
                    .any(|window| window == b"\"NextToken\"".as_slice())
            });
        let only = |applies: bool, probability: f64| if applies { probability } else { 0.0 };
        let choices = [
            (faults.crash_before, 0),
            (faults.crash_after, 1),
            (faults.crash_during, 2),
            (faults.throttled, 3),
            (faults.failed, 4),
            (faults.reset, 5),
            (faults.answer_lost, 6),
            (faults.silent, 7),
            (only(is_conditional, faults.conflict), 8),
            (only(is_copy, faults.error_in_success), 9),
            (only(is_next_page, faults.page_expired), 10),
            (faults.reset_during, 11),
        ];
        let mut draw: f64 = self.rng.random();
        let choice = choices.into_iter().find_map(|(probability, choice)| {
            draw -= probability;
            (draw < 0.0).then_some(choice)
        })?;
        let coin = self.rng.random_bool(0.5);
        let in_flight_max = if is_copy {
            COPY_IN_FLIGHT_MAX
        } else {
            IN_FLIGHT_MAX
        };
        Some(match choice {
            0 => Fault::CrashBefore,
            1 => Fault::CrashAfter,
            2 => Fault::CrashDuring(self.up_to(in_flight_max)),
            3 => Fault::Refused(Refusal::Throttled),
            4 => Fault::Refused(Refusal::Internal),
            5 => Fault::Refused(Refusal::Reset),
            6 if coin => Fault::AnswerLost(Refusal::Internal),
            6 => Fault::AnswerLost(Refusal::Reset),
            7 => Fault::Silent { acts: coin },
            8 => Fault::Refused(Refusal::Conflict),
            9 if coin => Fault::AnswerLost(Refusal::ErrorInSuccess),
            9 => Fault::Refused(Refusal::ErrorInSuccess),
            10 => Fault::Refused(Refusal::PageExpired),
            _ => Fault::ResetDuring(self.up_to(in_flight_max)),
        })
    }

    /// Whether somebody else used the request token before its first use here, with other parameters.
    fn is_foreign(&mut self, token: &str) -> bool {
        if let Some(foreign) = self.tokens.get(token) {
            return *foreign;
        }
        let foreign = !self.is_over() && self.happens(self.plan.calls.parameter_mismatch);
        self.tokens.insert(token.to_owned(), foreign);
        self.stage.lock().truth.foreign += usize::from(foreign);
        foreign
    }

    /// People do something just when it matters most: when a version is copied they stop its execution, or upload its key again;
    /// when a job is started they edit the policy; and while a call about a record takes long they redrive its execution.
    /// All the more when a copy goes wrong, or a start has no answer.
    fn prompt(
        &mut self,
        call: &Call,
        request: &http::Request<SdkBody>,
        fault: Option<Fault>,
        is_slow: bool,
    ) {
        let operation = call.operation.trim_end();
        let often = self.plan.interference.prompted;
        let or_often = |goes_wrong: bool, otherwise: f64| {
            if goes_wrong && often > 0.0 {
                PROMPTED_IF_STRUCK
            } else {
                otherwise
            }
        };
        if operation.ends_with("-approved  copy") {
            if self.acts(or_often(fault.is_some(), often))
                && let Some((upload, key, file)) = self.copied(request)
            {
                if self.rng.random_bool(0.5) {
                    let told = true;
                    self.tell(Duration::ZERO, Action::Upload { key, file, told });
                } else {
                    let after = REDRIVEN_AFTER_MAX.mul_f64(self.rng.random::<f64>().powi(4));
                    self.tell(Duration::ZERO, Action::Stop(upload));
                    self.tell(after, Action::Redrive(upload));
                }
            }
        } else if operation == "StartContentModeration" {
            if self.acts(or_often(is_unanswered(fault), often / 10.0)) {
                let policies = [Policy::Default, Policy::Lenient, Policy::Strict];
                let policy = policies[self.rng.random_range(0..policies.len())];
                self.tell(Duration::ZERO, Action::Policy(policy));
            }
        } else if is_slow
            && operation.ends_with("-ledger jobs")
            && self.acts(often)
            && let Some(upload) = self.recorded(request)
        {
            self.tell(Duration::ZERO, Action::Stop(upload));
            self.tell(Duration::from_secs(1), Action::Redrive(upload));
        }
    }

    /// Whether somebody acts now.
    fn acts(&mut self, probability: f64) -> bool {
        let acts = self.prompts_left > 0 && !self.is_over() && self.happens(probability);
        self.prompts_left -= u32::from(acts);
        acts
    }

    fn tell(&self, after: Duration, action: Action) {
        if let Some(prompts) = &self.prompts {
            // Nobody listens once the run is over.
            let _ = prompts.send((after, action));
        }
    }

    /// The upload that a request copies, its key and file.
    fn copied(&self, request: &http::Request<SdkBody>) -> Option<(usize, String, File)> {
        let source = request.headers().get("x-amz-copy-source")?.to_str().ok()?;
        let (_, version_id) = source.rsplit_once("?versionId=")?;
        let truth = &self.stage.lock().truth;
        let version = truth.version(version_id)?;
        let upload = truth.upload(&version.execution)?;
        Some((upload, version.key.clone(), version.file.clone()))
    }

    /// The upload whose record a request is about.
    fn recorded(&self, request: &http::Request<SdkBody>) -> Option<usize> {
        let key = watch::object(request.uri().path())?.1;
        let truth = &self.stage.lock().truth;
        truth.upload(names::parse_record_key(&key)?)
    }

    fn in_storm(&self, call: &Call) -> bool {
        let now = self.stage.elapsed_ms();
        let service = service(&call.operation);
        self.storms
            .iter()
            .any(|storm| storm.service == service && (storm.from_ms..storm.to_ms).contains(&now))
    }

    /// How long a call takes.
    fn latency(&mut self, call: &Call) -> Duration {
        let usual = Services::get().times.call(&call.operation, &mut self.rng);
        if !self.is_over() && self.happens(self.plan.calls.slow) {
            usual + self.up_to(SLOW_MAX)
        } else {
            usual
        }
    }
}

/// Whether whoever calls cannot tell what became of it.
fn is_unanswered(fault: Option<Fault>) -> bool {
    matches!(
        fault,
        Some(Fault::AnswerLost(_) | Fault::Silent { .. } | Fault::ResetDuring(_))
    )
}

impl faults::Plan for Chaos {
    /// A scene is played again with strikes at the calls that it made; other runs are long, and need no list.
    fn keeps_calls(&self) -> bool {
        self.strikes.is_some()
    }

    fn begins(&mut self, function: Function, invocation: u64) -> Beginning {
        let faults = self.plan.invocations;
        let times = &Services::get().times;
        let mut beginning = Beginning {
            own: times.computing.draw(&mut self.rng),
            ..Beginning::default()
        };
        let now_ms = self.stage.elapsed_ms();
        let none_waits = self.environments.begin(function, invocation, now_ms);
        if none_waits || (!self.is_over() && self.happens(faults.cold)) {
            beginning.cold_start = times.environment.draw(&mut self.rng);
            beginning.own += times.initialisation.draw(&mut self.rng);
        }
        if !self.is_over() {
            let waited = beginning.cold_start.is_zero();
            if waited && self.happens(faults.thawed) {
                self.thawed.insert(invocation, SERVICES.into());
            }
            if faults.clock_skew_ms_max > 0 {
                let max = faults.clock_skew_ms_max;
                beginning.clock_skew_ms = self.rng.random_range(-max..=max);
            }
            if self.happens(faults.killed) {
                let after = self.up_to(KILLED_MAX);
                beginning.killed_after = Some(after);
                self.stage.fault(
                    "invocation killed at some moment",
                    format_args!("#{invocation} is killed after {} ms", after.as_millis()),
                );
            }
        }
        let name = function.name();
        self.stage.note(format_args!("{name} #{invocation} begins"));
        watch::began(&self.stage, invocation);
        beginning
    }

    fn strikes(&mut self, number: u64, call: &Call, request: &http::Request<SdkBody>) -> Strike {
        let now_ms = self.stage.elapsed_ms();
        let over_quota = !self.quotas.take(&call.operation, now_ms);
        let strikes = self.strikes.as_ref();
        let struck = strikes.and_then(|strikes| strikes.get(&number).copied());
        if struck.is_some() {
            let now_ms = self.stage.now_ms();
            self.stage.lock().struck_ms = Some(now_ms);
        }
        let fault = if struck.is_some() {
            struck
        } else if over_quota {
            Some(Fault::Refused(Refusal::Throttled))
        } else {
            self.fault(call, request)
        };
        let latency = self.latency(call);
        let split: f64 = self.rng.random();
        // A request arrives soon if it does, even if nobody waits for it any longer. It is the answer that takes its time.
        let before = latency.mul_f64(split).min(IN_FLIGHT_MAX);
        let (name, invocation) = (call.function.name(), call.invocation);
        let subject = watch::subject(request);
        watch::sent(&self.stage, call, request);
        self.prompt(call, request, fault, latency >= SLOW_FROM);
        let operation = call.operation.trim_end();
        match fault {
            None => self
                .stage
                .note(format_args!("{name} #{invocation} {operation} {subject}")),
            Some(fault) => self.stage.fault(
                if over_quota {
                    "call over a quota"
                } else {
                    watch::kind(fault)
                },
                format_args!("{name} #{invocation} {operation} {subject}: {fault:?}"),
            ),
        }
        Strike {
            before,
            fault,
            after: latency.saturating_sub(before),
        }
    }

    fn acted(&mut self, call: &Call, request: &http::Request<SdkBody>, status: StatusCode) {
        let (name, invocation) = (call.function.name(), call.invocation);
        if !status.is_success() {
            let operation = call.operation.trim_end();
            self.stage.note(format_args!(
                "{name} #{invocation} {operation} is answered {}",
                status.as_u16()
            ));
        }
        if status.is_success() {
            watch::acted(&self.stage, &self.aws, call, request);
        }
    }

    fn ends(&mut self, function: Function, invocation: u64, how: &str) {
        self.thawed.remove(&invocation);
        let name = function.name();
        let exited = how == "Runtime.ExitError";
        let now_ms = self.stage.elapsed_ms();
        self.environments.end(function, invocation, exited, now_ms);
        self.stage
            .note(format_args!("{name} #{invocation} ends: {how}"));
        watch::ended(&self.stage, invocation, how);
    }
}
