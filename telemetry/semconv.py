# fmt: off
# ruff: noqa: E501
"""Every name of swarmlore's telemetry. Generated from registry/ by `python -m telemetry.generator`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from telemetry.specs import AttributeSpec, MetricSpec, SignalSpec

SCHEMA_URL: Final = "https://swarmlore.example/schemas/federated-learning/0.1.0"

ATTR_RUN_ID: Final = "federated.learning.run_id"
"""Identifier of the run, which lasts from genesis over all restarts."""

ATTR_ROUND: Final = "federated.learning.round"
"""Number of the round, from 1."""

ATTR_AGENT_ID: Final = "federated.learning.agent_id"
"""Identifier of the agent."""

ATTR_HOST_ID: Final = "federated.learning.host_id"
"""Name of the host actor that the agents live in."""

ATTR_ACTOR_KIND: Final = "federated.learning.actor.kind"
"""What kind of actor speaks."""

ATTR_WORKLOAD: Final = "federated.learning.workload"
"""What kind of knowledge the round is about; a workload of the user's own has its own word."""

ATTR_PHASE: Final = "federated.learning.phase"
"""Phase of the round, or of a MAPE-K loop."""

ATTR_RULE: Final = "federated.learning.rule"
"""Rule that aggregates, with its pre-aggregators in front of it."""

ATTR_OUTCOME: Final = "federated.learning.outcome"
"""How it ended."""

ATTR_AGENTS_COUNT: Final = "federated.learning.agents_count"
"""Agents enrolled in the round."""

ATTR_AGENTS_REPLIED: Final = "federated.learning.agents_replied"
"""Agents whose updates arrived in time."""

ATTR_HOSTS_COUNT: Final = "federated.learning.hosts_count"
"""Host actors that take part."""

ATTR_FAULT_BOUND: Final = "federated.learning.fault_bound"
"""The largest number of liars, f, that the round is built to bear."""

ATTR_QUORUM: Final = "federated.learning.quorum"
"""Valid updates that the round needs, n - f."""

ATTR_DEADLINE: Final = "federated.learning.deadline"
"""Seconds that the round waits for updates."""

ATTR_DURATION: Final = "federated.learning.duration"
"""Seconds that it took."""

ATTR_ABORT_REASON: Final = "federated.learning.abort_reason"
"""Stable code of the reason why a round ended without a release."""

ATTR_PAYLOAD_SIZE: Final = "federated.learning.payload_size"
"""Bytes of updates sent, encoded."""

ATTR_CODEC: Final = "federated.learning.codec"
"""How updates are compressed."""

ATTR_BATCH_SIZE: Final = "federated.learning.batch_size"
"""Samples in a training step."""

ATTR_NUM_EPOCHS: Final = "federated.learning.num_epochs"
"""Local training epochs."""

ATTR_LOSS: Final = "federated.learning.loss"
"""Mean training loss after local training."""

ATTR_GRADIENT_DIMENSION: Final = "federated.learning.gradient_dimension"
"""Length of the update vector."""

ATTR_GRADIENT_NORM: Final = "federated.learning.gradient_norm"
"""L2 norm of the update vector; of several, their median."""

ATTR_HETEROGENEITY: Final = "federated.learning.heterogeneity"
"""Jensen-Shannon divergence of the agents' action distributions, in nats."""

ATTR_LEARNING_RATE_SCALE: Final = "federated.learning.learning_rate_scale"
"""What the loops multiply the workload's learning rate with."""

ATTR_GRADIENT_BYZANTINE: Final = "federated.learning.gradient.byzantine"
"""What the update turned out to be."""

ATTR_VERDICT: Final = "federated.learning.verdict"
"""What became of an update."""

ATTR_REFUSAL_CODE: Final = "federated.learning.refusal_code"
"""Stable code of the reason why an update was refused."""

ATTR_THRESHOLD: Final = "federated.learning.threshold"
"""What a score or a divergence was held against."""

ATTR_BYZANTINE_AGENT_IDS: Final = "federated.learning.byzantine_agent_ids"
"""Agents whose updates were judged to be lies."""

ATTR_BYZANTINE_COUNT: Final = "federated.learning.byzantine_count"
"""Updates of the round that were judged to be lies."""

ATTR_DETECTION_METHOD: Final = "federated.learning.detection_method"
"""Screen or rule that found the lies."""

ATTR_UPDATES_ACCEPTED: Final = "federated.learning.updates_accepted"
"""Updates that counted, clipped ones included."""

ATTR_UPDATES_REFUSED: Final = "federated.learning.updates_refused"
"""Updates that the gate refused."""

ATTR_UPDATES_LATE: Final = "federated.learning.updates_late"
"""Updates that came after the round had closed."""

ATTR_REPUTATION: Final = "federated.learning.reputation"
"""Reputation of the agent, between 0 and 1."""

ATTR_FLAGS_IN_A_ROW: Final = "federated.learning.flags_in_a_row"
"""Rounds in a row in which the agent was flagged."""

ATTR_FIRST_DIGEST: Final = "federated.learning.first_digest"
"""Digest of the first of two updates that contradict each other."""

ATTR_SECOND_DIGEST: Final = "federated.learning.second_digest"
"""Digest of the second of two updates that contradict each other."""

ATTR_ATTACK: Final = "federated.learning.attack"
"""Attack that the marked agents carry out; in simulations only."""

ATTR_DETECTION_PRECISION: Final = "federated.learning.detection_precision"
"""Share of the flagged agents that do lie; in simulations only."""

ATTR_DETECTION_RECALL: Final = "federated.learning.detection_recall"
"""Share of the lying agents that were flagged; in simulations only."""

ATTR_CONVERGENCE_KL_DIVERGENCE: Final = "federated.learning.convergence.kl_divergence"
"""KL divergence between the old and the new model, in nats."""

ATTR_CONVERGENCE_STATUS: Final = "federated.learning.convergence.status"
"""Where the run stands."""

ATTR_CONVERGENCE_MEASURE: Final = "federated.learning.convergence.measure"
"""Which divergence the number is."""

ATTR_CONVERGENCE_ROUNDS_REMAINING: Final = "federated.learning.convergence.rounds_remaining"
"""Estimate of the rounds until convergence; absent when there is no trend."""

ATTR_CONVERGENCE_KL_SPREAD: Final = "federated.learning.convergence.kl_spread"
"""Largest minus smallest divergence that the validators reported, in nats."""

ATTR_VALIDATORS_COUNT: Final = "federated.learning.validators_count"
"""Validators that reported."""

ATTR_ACCURACY: Final = "federated.learning.accuracy"
"""Share of held-out cases that the release gets right."""

ATTR_RELEASE_VERSION: Final = "federated.learning.release.version"
"""Version of the release; 0 is genesis."""

ATTR_RELEASE_DIGEST: Final = "federated.learning.release.digest"
"""Digest of the release's artefact."""

ATTR_RELEASE_PARENT_VERSION: Final = "federated.learning.release.parent_version"
"""Version that the release was made from, or was rolled back from."""

ATTR_MODEL_SIZE_BYTES: Final = "federated.learning.model_size_bytes"
"""Size of the release's artefact in bytes."""

ATTR_AGENTS_SYNCHRONIZED: Final = "federated.learning.agents_synchronized"
"""Agents that took the release over."""

ATTR_JOURNAL_OPERATION: Final = "federated.learning.journal_operation"
"""What was written to the journal."""

ATTR_SYMPTOM: Final = "federated.learning.symptom"
"""What the analysis found, by its stable name."""

ATTR_SEVERITY: Final = "federated.learning.severity"
"""How bad the symptom is, between 0 and 1."""

ATTR_ACTION: Final = "federated.learning.action"
"""What was planned, by its stable name."""

ATTR_OBSERVATIONS_COUNT: Final = "federated.learning.observations_count"
"""Observations that the phase worked on."""

ATTR_SYMPTOMS_COUNT: Final = "federated.learning.symptoms_count"
"""Symptoms found."""

ATTR_ACTIONS_COUNT: Final = "federated.learning.actions_count"
"""Actions planned or carried out."""

ATTR_DETAIL: Final = "federated.learning.detail"
"""The figures behind a symptom or an action, for people."""

ATTR_DROP_REASON: Final = "federated.learning.drop_reason"
"""Why a span, or an evaluation result, of an agent was left out."""

ATTR_TRAJECTORY_ENDING: Final = "federated.learning.trajectory_ending"
"""How a trajectory came to its end."""

ATTR_SIGNAL: Final = "federated.learning.signal"
"""Kind of telemetry."""

ATTR_ERROR_TYPE: Final = "error.type"
"""Stable code of the error, or the name of its class."""

ATTR_SERVICE_NAME: Final = "service.name"
"""Name of the service."""

ATTR_SERVICE_NAMESPACE: Final = "service.namespace"
"""Name of the swarm that the service belongs to."""

ATTR_SERVICE_INSTANCE_ID: Final = "service.instance.id"
"""Name of the actor, the same after a restart."""

ATTR_SERVICE_VERSION: Final = "service.version"
"""Version of swarmlore."""

ATTR_DEPLOYMENT_ENVIRONMENT_NAME: Final = "deployment.environment.name"
"""Where it runs."""

ATTR_TELEMETRY_SDK_LANGUAGE: Final = "telemetry.sdk.language"
"""Language of the telemetry SDK."""

ATTR_TELEMETRY_SDK_NAME: Final = "telemetry.sdk.name"
"""Name of the telemetry SDK."""

ATTR_TELEMETRY_SDK_VERSION: Final = "telemetry.sdk.version"
"""Version of the telemetry SDK."""

ATTR_CLIENT_ID: Final = "federated.learning.client_id"
"""Identifier of the client, derived from its installation with the server's secret; inside the swarm it is the agent's."""

ATTR_REGION: Final = "federated.learning.region"
"""Region of the client or of the door."""

ATTR_CLIENT_STATE: Final = "federated.learning.client_state"
"""Where a client stands."""

ATTR_CLIENT_TRANSITION: Final = "federated.learning.client_transition"
"""What became of a client."""

ATTR_PLATFORM: Final = "federated.learning.platform"
"""Platform that the client says it runs on."""

ATTR_ANSWER_CODE: Final = "federated.learning.answer_code"
"""Stable code of what a client was answered."""

ATTR_WINDOW: Final = "federated.learning.window"
"""Number of the window in which submissions for the next round are taken."""

ATTR_WINDOW_ENDING: Final = "federated.learning.window_ending"
"""How a window came to its end."""

ATTR_PARTICIPANTS_COUNT: Final = "federated.learning.participants_count"
"""Clients with a submission that counts."""

ATTR_PARTICIPANTS_NEEDED: Final = "federated.learning.participants_needed"
"""Clients that a round needs."""

ATTR_SUBMISSIONS_COUNT: Final = "federated.learning.submissions_count"
"""Submissions that it is about."""

ATTR_DUPLICATES_COUNT: Final = "federated.learning.duplicates_count"
"""Submissions among them that had come before."""

ATTR_GROUPS_COUNT: Final = "federated.learning.groups_count"
"""Groups whose sums the submissions went into."""

ATTR_PAUSE_REASON: Final = "federated.learning.pause_reason"
"""Stable code of the reason why the federation is paused."""

ATTR_CLERK_STEP: Final = "federated.learning.clerk_step"
"""What the clerk does at a time."""

ATTR_STORAGE_PART: Final = "federated.learning.storage_part"
"""Part of the storage."""

ATTR_BUCKETS_COUNT: Final = "federated.learning.buckets_count"
"""Buckets of clients whose rows are summed in secret."""

ATTR_MEMBERS_COUNT: Final = "federated.learning.members_count"
"""Members whose rows are in a secret sum."""

ATTR_BUCKET_STAGE: Final = "federated.learning.bucket_stage"
"""Stage of a secret sum."""

ATTR_RELEASE_SEMANTIC_VERSION: Final = "federated.learning.release.semantic_version"
"""Version of the release as clients know it."""

ATTR_RELEASE_PARENT_SEMANTIC_VERSION: Final = "federated.learning.release.parent_semantic_version"
"""Version that the release follows."""

ATTR_RELEASE_ROLE: Final = "federated.learning.release.role"
"""Which of the releases that are being served."""

ATTR_ROLLOUT_STAGE: Final = "federated.learning.rollout_stage"
"""How far a rollout is."""

ATTR_ROLLOUT_DECISION: Final = "federated.learning.rollout_decision"
"""What was decided of a rollout."""

ATTR_ROLLOUT_SHARE: Final = "federated.learning.rollout_share"
"""Share of clients that are given the candidate."""

ATTR_ERROR_RATE_BEFORE: Final = "federated.learning.error_rate_before"
"""Error rate that clients report of the current release."""

ATTR_ERROR_RATE_AFTER: Final = "federated.learning.error_rate_after"
"""Error rate that clients report of the candidate."""

ATTR_REPORTING_CLIENTS: Final = "federated.learning.reporting_clients"
"""Clients whose reports on the candidate count."""

ATTR_PRIVACY_EPSILON: Final = "federated.learning.privacy.epsilon"
"""Epsilon of the release by itself."""

ATTR_PRIVACY_EPSILON_SPENT: Final = "federated.learning.privacy.epsilon_spent"
"""Epsilon of the period so far, with the release in it."""

ATTR_PRIVACY_EPSILON_BUDGET: Final = "federated.learning.privacy.epsilon_budget"
"""Epsilon that the period may cost."""

ATTR_PRIVACY_DELTA: Final = "federated.learning.privacy.delta"
"""Delta of all of these."""

ATTR_PRIVACY_NOISE_MULTIPLIER: Final = "federated.learning.privacy.noise_multiplier"
"""Standard deviation of the noise over the L2 sensitivity."""

ATTR_PRIVACY_RADIUS: Final = "federated.learning.privacy.radius"
"""L2 norm that each update is clipped to."""

ATTR_HTTP_ROUTE: Final = "http.route"
"""Template of the path, or other for a path that there is none for."""

ATTR_HTTP_REQUEST_METHOD: Final = "http.request.method"
"""Method of the request."""

ATTR_HTTP_RESPONSE_STATUS_CODE: Final = "http.response.status_code"
"""Status of the answer."""

SPAN_CLIENT_REGISTRATION: Final = "federated.learning.client_registration"
"""A client registers, gets another token or leaves."""

SPAN_CLIENT_SUBMISSION: Final = "federated.learning.client_submission"
"""A client's submission is checked and written."""

SPAN_CLIENT_PARTICIPATION: Final = "federated.learning.client_participation"
"""A client asks to take part in the secret sums of a window."""

SPAN_WINDOW_SUMS: Final = "federated.learning.window_sums"
"""The buckets of a window are summed in secret."""

SPAN_RELEASE_DELIVERY: Final = "federated.learning.release_delivery"
"""A client gets a release; not one that it has already."""

SPAN_CLERK_STEP: Final = "federated.learning.clerk_step"
"""The clerk of a federation does one of its steps."""

SPAN_DOOR_GATHER: Final = "federated.learning.door_gather"
"""A door brings the submissions of its region's clients into the round."""

SPAN_REGION_FOLD: Final = "federated.learning.region_fold"
"""A door folds submissions into the sums of its region's groups."""

SPAN_CLIENT_PUSH: Final = "federated.learning.client_push"
"""A client sends its submissions to the federation."""

SPAN_CLIENT_PULL: Final = "federated.learning.client_pull"
"""A client asks for a release, verifies it and blends it in."""

SPAN_ROUND: Final = "federated.learning.round"
"""One round, from its opening to the release or the reason why there is none."""

SPAN_OPEN: Final = "federated.learning.open"
"""The coordinator draws the roster and the bounds of the round."""

SPAN_LOCAL_TRAINING: Final = "federated.learning.local_training"
"""All hosts run their agents' local learners; ends with the last host or the deadline."""

SPAN_HOST_LEARNING: Final = "federated.learning.host_learning"
"""One host trains all of its agents in one batched step and signs what they learned."""

SPAN_AGENT_TRAINING: Final = "federated.learning.agent_training"
"""One agent's share of its host's training."""

SPAN_COMMIT: Final = "federated.learning.commit"
"""Agents send the hashes of their updates before anybody may see the updates."""

SPAN_SUBMIT: Final = "federated.learning.submit"
"""Signed updates travel from a host to the aggregator."""

SPAN_GATE: Final = "federated.learning.gate"
"""The aggregator checks each update before any arithmetic."""

SPAN_CLOSE: Final = "federated.learning.close"
"""The aggregator stops taking updates."""

SPAN_SCREEN: Final = "federated.learning.screen"
"""Each update gets a score and a verdict."""

SPAN_AGGREGATE: Final = "federated.learning.aggregate"
"""The rule makes one value of the updates."""

SPAN_PROTECT: Final = "federated.learning.protect"
"""The privacy ledger is asked, and noise is drawn if it agrees."""

SPAN_VALIDATE: Final = "federated.learning.validate"
"""The validators measure how far the knowledge moved."""

SPAN_RELEASE: Final = "federated.learning.release"
"""The coordinator signs the release and writes it to the journal."""

SPAN_APPLY: Final = "federated.learning.apply"
"""Hosts verify the release and take it over."""

SPAN_RECOVER: Final = "federated.learning.recover"
"""A restarted actor reads its state back from the journal."""

SPAN_MONITOR: Final = "federated.learning.monitor"
"""A MAPE-K loop turns what happened into observations."""

SPAN_ANALYZE: Final = "federated.learning.analyze"
"""A MAPE-K loop turns observations and knowledge into symptoms."""

SPAN_PLAN: Final = "federated.learning.plan"
"""A MAPE-K loop turns symptoms into actions."""

SPAN_EXECUTE: Final = "federated.learning.execute"
"""A MAPE-K loop carries its actions out."""

EVENT_LOCAL_TRAINING_STARTED: Final = "federated.learning.local_training_started"
"""A host starts to train its agents."""

EVENT_LOCAL_TRAINING_COMPLETED: Final = "federated.learning.local_training_completed"
"""A host has trained its agents."""

EVENT_GRADIENTS_COMPUTED: Final = "federated.learning.gradients_computed"
"""The updates of a host are there."""

EVENT_TRAINING_NOT_FINITE: Final = "federated.learning.training_not_finite"
"""Local training gave a loss or an update that is not a number. Metrics drop such values, so this says it."""

EVENT_BYZANTINE_DETECTED: Final = "federated.learning.byzantine_detected"
"""Updates were judged to be lies and left out."""

EVENT_CONVERGENCE_CHECKED: Final = "federated.learning.convergence_checked"
"""The divergence between the old and the new model was measured."""

EVENT_VALIDATORS_DISAGREED: Final = "federated.learning.validators_disagreed"
"""Validators reported divergences or verdicts that do not agree."""

EVENT_MODEL_SYNCHRONIZED: Final = "federated.learning.model_synchronized"
"""Hosts took a release over."""

EVENT_ROUND_OPENED: Final = "federated.learning.round_opened"
"""A round was opened."""

EVENT_ROUND_CLOSED: Final = "federated.learning.round_closed"
"""A round stopped taking updates."""

EVENT_ROUND_ABORTED: Final = "federated.learning.round_aborted"
"""A round ended without a release."""

EVENT_UPDATE_REFUSED: Final = "federated.learning.update_refused"
"""The gate refused an update."""

EVENT_EQUIVOCATION_PROVED: Final = "federated.learning.equivocation_proved"
"""One agent signed two different updates for one round."""

EVENT_AGENT_QUARANTINED: Final = "federated.learning.agent_quarantined"
"""An agent's updates no longer count for now."""

EVENT_AGENT_READMITTED: Final = "federated.learning.agent_readmitted"
"""An agent's updates count again."""

EVENT_RELEASE_PUBLISHED: Final = "federated.learning.release_published"
"""A release was signed, written and published."""

EVENT_RELEASE_ROLLED_BACK: Final = "federated.learning.release_rolled_back"
"""An earlier release was made the current one."""

EVENT_SYMPTOM_FOUND: Final = "federated.learning.symptom_found"
"""The analysis of a MAPE-K loop found a symptom."""

EVENT_ACTION_EXECUTED: Final = "federated.learning.action_executed"
"""A MAPE-K loop carried an action out, or tried to."""

EVENT_ACTOR_RESTARTED: Final = "federated.learning.actor_restarted"
"""An actor came back and read its state from the journal."""

EVENT_CLIENT_REGISTERED: Final = "federated.learning.client_registered"
"""A client registered."""

EVENT_CLIENT_DEREGISTERED: Final = "federated.learning.client_deregistered"
"""A client left; what is kept of it will be erased."""

EVENT_CLIENT_APPEALED: Final = "federated.learning.client_appealed"
"""A client in quarantine asks for somebody to look at it."""

EVENT_SUBMISSIONS_RECEIVED: Final = "federated.learning.submissions_received"
"""Submissions of clients were written, in one transaction."""

EVENT_WINDOW_OPENED: Final = "federated.learning.window_opened"
"""A window was opened."""

EVENT_WINDOW_EXTENDED: Final = "federated.learning.window_extended"
"""A window goes on, because too few took part."""

EVENT_WINDOW_CLOSED: Final = "federated.learning.window_closed"
"""A window was closed."""

EVENT_FEDERATION_PAUSED: Final = "federated.learning.federation_paused"
"""Windows are no longer closed, until somebody resumes them or the reason is gone."""

EVENT_FEDERATION_RESUMED: Final = "federated.learning.federation_resumed"
"""Windows are closed again."""

EVENT_VERSION_PUBLISHED: Final = "federated.learning.version_published"
"""A release was signed for clients and written where they get it from."""

EVENT_ROLLOUT_DECIDED: Final = "federated.learning.rollout_decided"
"""A rollout begins, goes on, waits for an operator or is rolled back."""

EVENT_REGION_FOLDED: Final = "federated.learning.region_folded"
"""Submissions of a region were folded into its groups' sums."""

EVENT_WINDOW_DRAWN: Final = "federated.learning.window_drawn"
"""The clients that take part in a window were drawn into buckets."""

EVENT_BUCKET_CLOSED: Final = "federated.learning.bucket_closed"
"""A bucket has given its sum, or is left out."""

EVENT_PRIVACY_GRANTED: Final = "federated.learning.privacy_granted"
"""The privacy ledger agreed to the noise of a release, and was written."""

EVENT_PRIVACY_REFUSED: Final = "federated.learning.privacy_refused"
"""The privacy ledger refused a release, because its budget is spent."""

EVENT_STORAGE_FAILED: Final = "federated.learning.storage_failed"
"""The storage of the federation could not be read or written."""

EVENT_RELEASE_REFUSED: Final = "federated.learning.release_refused"
"""A client does not take a release over, because it is not what its publisher signed."""

METRIC_SUBMISSIONS: Final = "federated.learning.submissions"
"""Submissions answered, by what they were answered."""

METRIC_REQUEST_DURATION: Final = "federated.learning.request_duration"
"""Duration of a request of a client or an operator, until its answer."""

METRIC_SUBMISSIONS_WRITE_DURATION: Final = "federated.learning.submissions_write_duration"
"""Duration of a transaction that writes submissions."""

METRIC_CLIENT_TRANSITIONS: Final = "federated.learning.client_transitions"
"""Clients that registered, left, and whatever else became of them."""

METRIC_CLIENTS: Final = "federated.learning.clients"
"""Registered clients, by where they stand."""

METRIC_WINDOW_PARTICIPANTS: Final = "federated.learning.window_participants"
"""Clients with a submission for the next round."""

METRIC_WINDOW_PARTICIPANTS_NEEDED: Final = "federated.learning.window_participants_needed"
"""Clients that the next round needs, in all regions together."""

METRIC_WINDOW_DURATION: Final = "federated.learning.window_duration"
"""Seconds that a window is open for, as configured."""

METRIC_WINDOW_REMAINING_DURATION: Final = "federated.learning.window_remaining_duration"
"""Seconds until the window is closed or extended."""

METRIC_WINDOWS: Final = "federated.learning.windows"
"""Windows that came to their end, or were extended."""

METRIC_RELEASE_AGE_DURATION: Final = "federated.learning.release_age_duration"
"""Seconds since the newest release for clients was made."""

METRIC_FEDERATION_PAUSED: Final = "federated.learning.federation_paused"
"""Whether the federation is paused: 1 for the reason that holds, and 0 for those that have held."""

METRIC_CLERK_STEPS: Final = "federated.learning.clerk_steps"
"""Steps that the clerk has done or failed to do."""

METRIC_CLERK_STEP_DURATION: Final = "federated.learning.clerk_step_duration"
"""Duration of a step of the clerk."""

METRIC_VERSION_SERVED: Final = "federated.learning.version_served"
"""Releases that clients are given: 1 for each. One that is no longer served is gone."""

METRIC_ROLLOUT_STATE: Final = "federated.learning.rollout_state"
"""How far the rollout is: 1 for the stage that holds, 0 for the others."""

METRIC_ROLLOUT_SHARE: Final = "federated.learning.rollout_share"
"""Share of clients that are given the candidate; 1 when there is nothing to roll out."""

METRIC_ROLLOUT_DECISIONS: Final = "federated.learning.rollout_decisions"
"""Decisions on rollouts."""

METRIC_REPORTED_ERROR_RATE: Final = "federated.learning.reported_error_rate"
"""Share of calls that clients report as failed, of the release that they use."""

METRIC_REPORTING_CLIENTS: Final = "federated.learning.reporting_clients"
"""Clients whose reports count."""

METRIC_STORAGE_FAILURES: Final = "federated.learning.storage_failures"
"""Reads and writes of the storage that failed."""

METRIC_SUBMISSIONS_GATHERED: Final = "federated.learning.submissions_gathered"
"""Submissions that doors brought into rounds, or refused."""

METRIC_SUBMISSIONS_FOLDED: Final = "federated.learning.submissions_folded"
"""Submissions that were folded into a region's sums."""

METRIC_FOLD_DURATION: Final = "federated.learning.fold_duration"
"""Duration of folding what had come since the last time."""

METRIC_PRIVACY_EPSILON_SPENT: Final = "federated.learning.privacy_epsilon_spent"
"""Epsilon of the period so far."""

METRIC_PRIVACY_EPSILON_BUDGET: Final = "federated.learning.privacy_epsilon_budget"
"""Epsilon that the period may cost."""

METRIC_PRIVACY_EPSILON_ROUND: Final = "federated.learning.privacy_epsilon_round"
"""Epsilon of the last release by itself."""

METRIC_PRIVACY_UTILITY_LOSS: Final = "federated.learning.privacy_utility_loss"
"""Norm of the noise over that of the aggregate, in the last release."""

METRIC_PRIVACY_REQUESTS: Final = "federated.learning.privacy_requests"
"""Times that the privacy ledger was asked, by what it said."""

METRIC_BUCKETS: Final = "federated.learning.buckets"
"""Buckets whose members were summed in secret, or that are left out."""

METRIC_LOCAL_LOSS: Final = "federated.learning.local_loss"
"""Mean training loss of a host's agents after local training."""

METRIC_GLOBAL_LOSS: Final = "federated.learning.global_loss"
"""Mean training loss over all agents whose updates counted."""

METRIC_GRADIENT_TRANSMISSION_COUNT: Final = "federated.learning.gradient_transmission_count"
"""Updates sent to the aggregator."""

METRIC_BYZANTINE_DETECTION_COUNT: Final = "federated.learning.byzantine_detection_count"
"""Updates judged to be lies and left out."""

METRIC_CONVERGENCE_ROUNDS: Final = "federated.learning.convergence_rounds"
"""Rounds that it took to converge."""

METRIC_ROUND_DURATION: Final = "federated.learning.round_duration"
"""Duration of a round."""

METRIC_LOCAL_TRAINING_DURATION: Final = "federated.learning.local_training_duration"
"""Duration of local training."""

METRIC_AGGREGATION_DURATION: Final = "federated.learning.aggregation_duration"
"""Duration of the aggregation."""

METRIC_CONVERGENCE_DURATION: Final = "federated.learning.convergence_duration"
"""Duration of the convergence check."""

METRIC_DISTRIBUTION_DURATION: Final = "federated.learning.distribution_duration"
"""Duration of the release's way to the hosts."""

METRIC_PHASE_DURATION: Final = "federated.learning.phase_duration"
"""Duration of a phase of the round or of a MAPE-K loop."""

METRIC_JOURNAL_WRITE_DURATION: Final = "federated.learning.journal_write_duration"
"""Duration of a write to the journal, until it is on disk."""

METRIC_ROUNDS: Final = "federated.learning.rounds"
"""Rounds ended."""

METRIC_ROUNDS_ABORTED: Final = "federated.learning.rounds_aborted"
"""Rounds ended without a release, by reason."""

METRIC_ROUNDS_OVER_BUDGET: Final = "federated.learning.rounds_over_budget"
"""Rounds that took longer than the round's budget."""

METRIC_ROUND_BUDGET_DURATION: Final = "federated.learning.round_budget_duration"
"""Seconds that a round may take; what the coordinator's loop holds rounds to."""

METRIC_LEARNING_ACTIVE: Final = "federated.learning.learning_active"
"""Whether rounds are run in the background: 1, or 0 when they are run on demand."""

METRIC_INTERVAL_DURATION: Final = "federated.learning.interval_duration"
"""Seconds between rounds that are run in the background, from start to start."""

METRIC_UPDATES: Final = "federated.learning.updates"
"""Updates judged."""

METRIC_EQUIVOCATIONS: Final = "federated.learning.equivocations"
"""Proofs that an agent signed two different updates for one round."""

METRIC_TRANSMITTED: Final = "federated.learning.transmitted"
"""Bytes of updates sent, encoded."""

METRIC_QUORUM: Final = "federated.learning.quorum"
"""Valid updates that the last round needed."""

METRIC_FAULT_BOUND: Final = "federated.learning.fault_bound"
"""Liars that the last round was built to bear."""

METRIC_AGENTS_ENROLLED: Final = "federated.learning.agents_enrolled"
"""Agents on the roster of the last round."""

METRIC_AGENTS_ACTIVE: Final = "federated.learning.agents_active"
"""Agents whose updates arrived in the last round."""

METRIC_AGENTS_QUARANTINED: Final = "federated.learning.agents_quarantined"
"""Agents in quarantine."""

METRIC_AGENTS_OBSERVED: Final = "federated.learning.agents_observed"
"""Agents that are judged and do not count: on probation, or of low reputation."""

METRIC_REPUTATION_MEDIAN: Final = "federated.learning.reputation_median"
"""Median reputation of the agents, between 0 and 1."""

METRIC_REPUTATION_LOWEST: Final = "federated.learning.reputation_lowest"
"""Lowest reputation of an agent, between 0 and 1."""

METRIC_KL_DIVERGENCE: Final = "federated.learning.kl_divergence"
"""KL divergence between the last two releases."""

METRIC_KL_SPREAD: Final = "federated.learning.kl_spread"
"""Largest minus smallest divergence that the validators reported in the last round."""

METRIC_DISAGREEMENTS: Final = "federated.learning.disagreements"
"""Rounds in which the validators would have decided differently."""

METRIC_CONVERGENCE_STATE: Final = "federated.learning.convergence_state"
"""Where the run stands: 1 for the status that holds, 0 for the others."""

METRIC_HETEROGENEITY: Final = "federated.learning.heterogeneity"
"""Jensen-Shannon divergence of the agents' action distributions."""

METRIC_ACCURACY: Final = "federated.learning.accuracy"
"""Share of held-out cases that the current release gets right."""

METRIC_DETECTION_PRECISION: Final = "federated.learning.detection_precision"
"""Share of the flagged agents that do lie; in simulations only."""

METRIC_DETECTION_RECALL: Final = "federated.learning.detection_recall"
"""Share of the lying agents that were flagged; in simulations only."""

METRIC_RELEASE_VERSION: Final = "federated.learning.release_version"
"""Version of the current release."""

METRIC_RELEASE_SIZE: Final = "federated.learning.release_size"
"""Size of the current release's artefact."""

METRIC_ROLLBACKS: Final = "federated.learning.rollbacks"
"""Releases that brought an earlier one back."""

METRIC_SYMPTOMS: Final = "federated.learning.symptoms"
"""Symptoms that MAPE-K loops found."""

METRIC_ACTIONS: Final = "federated.learning.actions"
"""Actions that MAPE-K loops carried out."""

METRIC_ACTOR_RESTARTS: Final = "federated.learning.actor_restarts"
"""Actors that came back after they had died."""

METRIC_ACTORS_SILENT: Final = "federated.learning.actors_silent"
"""Actors that did not answer the gateway's last scrape in time, and whose metrics are left out."""

METRIC_TELEMETRY_DROPPED: Final = "federated.learning.telemetry_dropped"
"""Spans and events that were not delivered."""

METRIC_TELEMETRY_DELIVERED: Final = "federated.learning.telemetry_delivered"
"""Spans and events that were delivered."""

METRIC_TELEMETRY_PENDING: Final = "federated.learning.telemetry_pending"
"""Spans and events that wait for their delivery."""

METRIC_INGEST_SPANS: Final = "federated.learning.ingest_spans"
"""Spans that agents sent to be learned from."""

METRIC_INGEST_EVALUATIONS: Final = "federated.learning.ingest_evaluations"
"""Evaluation results that came with them."""

METRIC_INGEST_DROPPED: Final = "federated.learning.ingest_dropped"
"""Spans and evaluation results that were left out."""

METRIC_INGEST_CONTENTS: Final = "federated.learning.ingest_contents"
"""Message contents left at the door."""

METRIC_INGEST_EXPERIENCES: Final = "federated.learning.ingest_experiences"
"""Experiences made of trajectories and given to agents, or refused by the swarm."""

METRIC_TRAJECTORIES: Final = "federated.learning.trajectories"
"""Trajectories that came to their end."""


class ActorKind(StrEnum):
    """Values of `ATTR_ACTOR_KIND`: what kind of actor speaks."""

    AGENT = "agent"
    """An agent that learns and acts."""

    HOST = "host"
    """An actor that many agents live in."""

    COORDINATOR = "coordinator"
    """The actor that opens rounds and publishes releases."""

    AGGREGATOR = "aggregator"
    """The actor that gates and aggregates updates."""

    VALIDATOR = "validator"
    """An actor that measures convergence."""

    GATEWAY = "gateway"
    """A door for people and agents outside of the cluster."""

    DOOR = "door"
    """An actor that brings the submissions of clients into rounds."""

    CLERK = "clerk"
    """What closes a federation's windows, and publishes and rolls out its releases."""

    CLIENT = "client"
    """An installation outside of the swarm."""


class Phase(StrEnum):
    """Values of `ATTR_PHASE`: phase of the round, or of a MAPE-K loop."""

    OPEN = "open"
    """The coordinator opens the round."""

    LEARN = "learn"
    """Hosts run the local learners of their agents."""

    COMMIT = "commit"
    """Agents send the hashes of their updates."""

    SUBMIT = "submit"
    """Signed updates travel to the aggregator."""

    GATE = "gate"
    """Each update is checked before any arithmetic."""

    CLOSE = "close"
    """The round stops taking updates."""

    SCREEN = "screen"
    """Each update gets a score and a verdict."""

    AGGREGATE = "aggregate"
    """The rule makes one value of the updates."""

    PROTECT = "protect"
    """The privacy ledger is asked and noise is drawn."""

    VALIDATE = "validate"
    """Validators measure convergence."""

    RELEASE = "release"
    """The new release is signed and written."""

    APPLY = "apply"
    """Hosts verify the release and take it over."""

    MONITOR = "monitor"
    """What happened becomes observations."""

    ANALYZE = "analyze"
    """Observations become symptoms."""

    PLAN = "plan"
    """Symptoms become actions."""

    EXECUTE = "execute"
    """Actions are carried out."""


class Outcome(StrEnum):
    """Values of `ATTR_OUTCOME`: how it ended."""

    SUCCESS = "success"
    """It did what it was asked to do."""

    FAILURE = "failure"
    """It was tried and went wrong."""

    REFUSED = "refused"
    """It was not tried, because a bound forbade it."""


class GradientByzantine(StrEnum):
    """Values of `ATTR_GRADIENT_BYZANTINE`: what the update turned out to be."""

    CLEAN = "clean"
    """Taken as honest."""

    POISONED = "poisoned"
    """Known to be a lie, as in a simulation."""

    DETECTED_AND_REJECTED = "detected_and_rejected"
    """Judged to be a lie and left out."""


class Verdict(StrEnum):
    """Values of `ATTR_VERDICT`: what became of an update."""

    ACCEPTED = "accepted"
    """It counted in full."""

    CLIPPED = "clipped"
    """It counted after it was cut to a bound."""

    REJECTED = "rejected"
    """It did not count."""

    LATE = "late"
    """It came after the round had closed."""


class ConvergenceStatus(StrEnum):
    """Values of `ATTR_CONVERGENCE_STATUS`: where the run stands."""

    TRAINING = "training"
    """Still moving."""

    CONVERGED = "converged"
    """The divergence stayed below the threshold."""

    STALLED = "stalled"
    """Above the threshold and no longer falling."""

    DIVERGING = "diverging"
    """The divergence grows."""


class ConvergenceMeasure(StrEnum):
    """Values of `ATTR_CONVERGENCE_MEASURE`: which divergence the number is."""

    POLICY_KL = "policy_kl"
    """KL of the action distributions on probe states."""

    GAUSSIAN_KL = "gaussian_kl"
    """KL of Gaussians over the parameters."""


class JournalOperation(StrEnum):
    """Values of `ATTR_JOURNAL_OPERATION`: what was written to the journal."""

    OPEN = "open"
    """A round was opened."""

    RELEASE = "release"
    """A release was made."""

    ABORT = "abort"
    """A round ended without a release."""


class DropReason(StrEnum):
    """Values of `ATTR_DROP_REASON`: why a span, or an evaluation result, of an agent was left out."""

    MALFORMED = "malformed"
    """It could not be read."""

    NOT_AGENT = "not_agent"
    """It says nothing about an agent."""

    DUPLICATE = "duplicate"
    """It had come before."""

    LATE = "late"
    """Its trajectory was over."""

    FULL = "full"
    """Its trajectory had as many as it may have."""

    EVICTED = "evicted"
    """It had to make room before it found its trajectory."""


class TrajectoryEnding(StrEnum):
    """Values of `ATTR_TRAJECTORY_ENDING`: how a trajectory came to its end."""

    COMPLETE = "complete"
    """The agent's span has ended, or an evaluation has judged it."""

    INCOMPLETE = "incomplete"
    """Nothing more came for too long."""

    EVICTED = "evicted"
    """It had to make room."""


class Signal(StrEnum):
    """Values of `ATTR_SIGNAL`: kind of telemetry."""

    SPANS = "spans"
    """Spans."""

    EVENTS = "events"
    """Events, which are log records."""


class ClientState(StrEnum):
    """Values of `ATTR_CLIENT_STATE`: where a client stands."""

    ACTIVE = "active"
    """Its submissions count."""

    QUARANTINED = "quarantined"
    """Its submissions are refused."""

    DEREGISTERED = "deregistered"
    """It has left; what is kept of it will be erased."""


class ClientTransition(StrEnum):
    """Values of `ATTR_CLIENT_TRANSITION`: what became of a client."""

    REGISTERED = "registered"
    """It is new."""

    REFRESHED = "refreshed"
    """It was known, proved its key and got another token."""

    DEREGISTERED = "deregistered"
    """It left."""

    QUARANTINED = "quarantined"
    """Its submissions no longer count for now."""

    REINSTATED = "reinstated"
    """Its submissions count again."""

    APPEALED = "appealed"
    """It asks for its quarantine to be looked at."""

    PURGED = "purged"
    """What was kept of it has been erased."""


class WindowEnding(StrEnum):
    """Values of `ATTR_WINDOW_ENDING`: how a window came to its end."""

    RELEASED = "released"
    """Its round made a release."""

    EXTENDED = "extended"
    """Too few took part, and it goes on for another interval."""

    ABORTED = "aborted"
    """Its round ended without a release."""

    PAUSED = "paused"
    """The federation was paused."""


class ClerkStep(StrEnum):
    """Values of `ATTR_CLERK_STEP`: what the clerk does at a time."""

    COUNT = "count"
    """Counts the participants of the window."""

    ROUND = "round"
    """Has the swarm run a round."""

    PUBLISH = "publish"
    """Signs the release and writes it where clients get it from."""

    ROLLOUT = "rollout"
    """Holds the rollout's figures against its bounds, and goes on, waits or rolls back."""

    STANDINGS = "standings"
    """Carries the swarm's verdicts on clients over to storage."""

    ERASE = "erase"
    """Erases submissions that are used up, and what is kept of clients that have left."""


class StoragePart(StrEnum):
    """Values of `ATTR_STORAGE_PART`: part of the storage."""

    CLIENTS = "clients"
    """Registered clients and their tokens."""

    SUBMISSIONS = "submissions"
    """Submissions and their nonces."""

    RELEASES = "releases"
    """Records of releases."""

    ROLLOUTS = "rollouts"
    """The rollout."""

    REPORTS = "reports"
    """Error rates that clients report."""

    AUDIT = "audit"
    """The log of actions."""

    FACTS = "facts"
    """Small values of the federation."""

    FILES = "files"
    """Releases as files."""

    MAIL = "mail"
    """Who takes part in secret sums and what is said in them."""


class BucketStage(StrEnum):
    """Values of `ATTR_BUCKET_STAGE`: stage of a secret sum."""

    KEYS = "keys"
    """Members show their keys."""

    SHARES = "shares"
    """They deal out shares of their secrets."""

    ROWS = "rows"
    """They hand in their masked rows."""

    UNMASK = "unmask"
    """They reveal what the sum is unmasked with."""


class ReleaseRole(StrEnum):
    """Values of `ATTR_RELEASE_ROLE`: which of the releases that are being served."""

    CURRENT = "current"
    """The one that clients get by default; figures of it are those before."""

    CANDIDATE = "candidate"
    """The one that is being rolled out; figures of it are those after."""


class RolloutStage(StrEnum):
    """Values of `ATTR_ROLLOUT_STAGE`: how far a rollout is."""

    CANARY = "canary"
    """One client in a hundred."""

    STAGED = "staged"
    """One client in ten."""

    GENERAL = "general"
    """Every second client."""

    FULL = "full"
    """All clients."""


class RolloutDecision(StrEnum):
    """Values of `ATTR_ROLLOUT_DECISION`: what was decided of a rollout."""

    WAIT = "wait"
    """The stage goes on."""

    PROMOTE = "promote"
    """The next stage begins."""

    AWAIT_APPROVAL = "await_approval"
    """The stage is over, and an operator has to approve the next."""

    ROLL_BACK = "roll_back"
    """The release before it comes back, as a new version."""

ATTRIBUTES: Final[Mapping[str, AttributeSpec]] = MappingProxyType(
    {
        ATTR_RUN_ID: AttributeSpec(
            key=ATTR_RUN_ID,
            type="string",
            bounded=False,
        ),
        ATTR_ROUND: AttributeSpec(
            key=ATTR_ROUND,
            type="int",
            bounded=False,
        ),
        ATTR_AGENT_ID: AttributeSpec(
            key=ATTR_AGENT_ID,
            type="string",
            bounded=False,
        ),
        ATTR_HOST_ID: AttributeSpec(
            key=ATTR_HOST_ID,
            type="string",
            bounded=False,
        ),
        ATTR_ACTOR_KIND: AttributeSpec(
            key=ATTR_ACTOR_KIND,
            type="string",
            values=tuple(ActorKind),
        ),
        ATTR_WORKLOAD: AttributeSpec(
            key=ATTR_WORKLOAD,
            type="string",
        ),
        ATTR_PHASE: AttributeSpec(
            key=ATTR_PHASE,
            type="string",
            values=tuple(Phase),
        ),
        ATTR_RULE: AttributeSpec(
            key=ATTR_RULE,
            type="string",
        ),
        ATTR_OUTCOME: AttributeSpec(
            key=ATTR_OUTCOME,
            type="string",
            values=tuple(Outcome),
        ),
        ATTR_AGENTS_COUNT: AttributeSpec(
            key=ATTR_AGENTS_COUNT,
            type="int",
        ),
        ATTR_AGENTS_REPLIED: AttributeSpec(
            key=ATTR_AGENTS_REPLIED,
            type="int",
        ),
        ATTR_HOSTS_COUNT: AttributeSpec(
            key=ATTR_HOSTS_COUNT,
            type="int",
        ),
        ATTR_FAULT_BOUND: AttributeSpec(
            key=ATTR_FAULT_BOUND,
            type="int",
        ),
        ATTR_QUORUM: AttributeSpec(
            key=ATTR_QUORUM,
            type="int",
        ),
        ATTR_DEADLINE: AttributeSpec(
            key=ATTR_DEADLINE,
            type="double",
        ),
        ATTR_DURATION: AttributeSpec(
            key=ATTR_DURATION,
            type="double",
        ),
        ATTR_ABORT_REASON: AttributeSpec(
            key=ATTR_ABORT_REASON,
            type="string",
        ),
        ATTR_PAYLOAD_SIZE: AttributeSpec(
            key=ATTR_PAYLOAD_SIZE,
            type="int",
        ),
        ATTR_CODEC: AttributeSpec(
            key=ATTR_CODEC,
            type="string",
        ),
        ATTR_BATCH_SIZE: AttributeSpec(
            key=ATTR_BATCH_SIZE,
            type="int",
        ),
        ATTR_NUM_EPOCHS: AttributeSpec(
            key=ATTR_NUM_EPOCHS,
            type="int",
        ),
        ATTR_LOSS: AttributeSpec(
            key=ATTR_LOSS,
            type="double",
        ),
        ATTR_GRADIENT_DIMENSION: AttributeSpec(
            key=ATTR_GRADIENT_DIMENSION,
            type="int",
        ),
        ATTR_GRADIENT_NORM: AttributeSpec(
            key=ATTR_GRADIENT_NORM,
            type="double",
        ),
        ATTR_HETEROGENEITY: AttributeSpec(
            key=ATTR_HETEROGENEITY,
            type="double",
        ),
        ATTR_LEARNING_RATE_SCALE: AttributeSpec(
            key=ATTR_LEARNING_RATE_SCALE,
            type="double",
        ),
        ATTR_GRADIENT_BYZANTINE: AttributeSpec(
            key=ATTR_GRADIENT_BYZANTINE,
            type="string",
            values=tuple(GradientByzantine),
        ),
        ATTR_VERDICT: AttributeSpec(
            key=ATTR_VERDICT,
            type="string",
            values=tuple(Verdict),
        ),
        ATTR_REFUSAL_CODE: AttributeSpec(
            key=ATTR_REFUSAL_CODE,
            type="string",
        ),
        ATTR_THRESHOLD: AttributeSpec(
            key=ATTR_THRESHOLD,
            type="double",
        ),
        ATTR_BYZANTINE_AGENT_IDS: AttributeSpec(
            key=ATTR_BYZANTINE_AGENT_IDS,
            type="string[]",
            bounded=False,
        ),
        ATTR_BYZANTINE_COUNT: AttributeSpec(
            key=ATTR_BYZANTINE_COUNT,
            type="int",
        ),
        ATTR_DETECTION_METHOD: AttributeSpec(
            key=ATTR_DETECTION_METHOD,
            type="string",
        ),
        ATTR_UPDATES_ACCEPTED: AttributeSpec(
            key=ATTR_UPDATES_ACCEPTED,
            type="int",
        ),
        ATTR_UPDATES_REFUSED: AttributeSpec(
            key=ATTR_UPDATES_REFUSED,
            type="int",
        ),
        ATTR_UPDATES_LATE: AttributeSpec(
            key=ATTR_UPDATES_LATE,
            type="int",
        ),
        ATTR_REPUTATION: AttributeSpec(
            key=ATTR_REPUTATION,
            type="double",
        ),
        ATTR_FLAGS_IN_A_ROW: AttributeSpec(
            key=ATTR_FLAGS_IN_A_ROW,
            type="int",
        ),
        ATTR_FIRST_DIGEST: AttributeSpec(
            key=ATTR_FIRST_DIGEST,
            type="string",
            bounded=False,
        ),
        ATTR_SECOND_DIGEST: AttributeSpec(
            key=ATTR_SECOND_DIGEST,
            type="string",
            bounded=False,
        ),
        ATTR_ATTACK: AttributeSpec(
            key=ATTR_ATTACK,
            type="string",
        ),
        ATTR_DETECTION_PRECISION: AttributeSpec(
            key=ATTR_DETECTION_PRECISION,
            type="double",
        ),
        ATTR_DETECTION_RECALL: AttributeSpec(
            key=ATTR_DETECTION_RECALL,
            type="double",
        ),
        ATTR_CONVERGENCE_KL_DIVERGENCE: AttributeSpec(
            key=ATTR_CONVERGENCE_KL_DIVERGENCE,
            type="double",
        ),
        ATTR_CONVERGENCE_STATUS: AttributeSpec(
            key=ATTR_CONVERGENCE_STATUS,
            type="string",
            values=tuple(ConvergenceStatus),
        ),
        ATTR_CONVERGENCE_MEASURE: AttributeSpec(
            key=ATTR_CONVERGENCE_MEASURE,
            type="string",
            values=tuple(ConvergenceMeasure),
        ),
        ATTR_CONVERGENCE_ROUNDS_REMAINING: AttributeSpec(
            key=ATTR_CONVERGENCE_ROUNDS_REMAINING,
            type="int",
        ),
        ATTR_CONVERGENCE_KL_SPREAD: AttributeSpec(
            key=ATTR_CONVERGENCE_KL_SPREAD,
            type="double",
        ),
        ATTR_VALIDATORS_COUNT: AttributeSpec(
            key=ATTR_VALIDATORS_COUNT,
            type="int",
        ),
        ATTR_ACCURACY: AttributeSpec(
            key=ATTR_ACCURACY,
            type="double",
        ),
        ATTR_RELEASE_VERSION: AttributeSpec(
            key=ATTR_RELEASE_VERSION,
            type="int",
            bounded=False,
        ),
        ATTR_RELEASE_DIGEST: AttributeSpec(
            key=ATTR_RELEASE_DIGEST,
            type="string",
            bounded=False,
        ),
        ATTR_RELEASE_PARENT_VERSION: AttributeSpec(
            key=ATTR_RELEASE_PARENT_VERSION,
            type="int",
            bounded=False,
        ),
        ATTR_MODEL_SIZE_BYTES: AttributeSpec(
            key=ATTR_MODEL_SIZE_BYTES,
            type="int",
        ),
        ATTR_AGENTS_SYNCHRONIZED: AttributeSpec(
            key=ATTR_AGENTS_SYNCHRONIZED,
            type="int",
        ),
        ATTR_JOURNAL_OPERATION: AttributeSpec(
            key=ATTR_JOURNAL_OPERATION,
            type="string",
            values=tuple(JournalOperation),
        ),
        ATTR_SYMPTOM: AttributeSpec(
            key=ATTR_SYMPTOM,
            type="string",
        ),
        ATTR_SEVERITY: AttributeSpec(
            key=ATTR_SEVERITY,
            type="double",
        ),
        ATTR_ACTION: AttributeSpec(
            key=ATTR_ACTION,
            type="string",
        ),
        ATTR_OBSERVATIONS_COUNT: AttributeSpec(
            key=ATTR_OBSERVATIONS_COUNT,
            type="int",
        ),
        ATTR_SYMPTOMS_COUNT: AttributeSpec(
            key=ATTR_SYMPTOMS_COUNT,
            type="int",
        ),
        ATTR_ACTIONS_COUNT: AttributeSpec(
            key=ATTR_ACTIONS_COUNT,
            type="int",
        ),
        ATTR_DETAIL: AttributeSpec(
            key=ATTR_DETAIL,
            type="string",
            bounded=False,
        ),
        ATTR_DROP_REASON: AttributeSpec(
            key=ATTR_DROP_REASON,
            type="string",
            values=tuple(DropReason),
        ),
        ATTR_TRAJECTORY_ENDING: AttributeSpec(
            key=ATTR_TRAJECTORY_ENDING,
            type="string",
            values=tuple(TrajectoryEnding),
        ),
        ATTR_SIGNAL: AttributeSpec(
            key=ATTR_SIGNAL,
            type="string",
            values=tuple(Signal),
        ),
        ATTR_ERROR_TYPE: AttributeSpec(
            key=ATTR_ERROR_TYPE,
            type="string",
        ),
        ATTR_SERVICE_NAME: AttributeSpec(
            key=ATTR_SERVICE_NAME,
            type="string",
        ),
        ATTR_SERVICE_NAMESPACE: AttributeSpec(
            key=ATTR_SERVICE_NAMESPACE,
            type="string",
        ),
        ATTR_SERVICE_INSTANCE_ID: AttributeSpec(
            key=ATTR_SERVICE_INSTANCE_ID,
            type="string",
        ),
        ATTR_SERVICE_VERSION: AttributeSpec(
            key=ATTR_SERVICE_VERSION,
            type="string",
        ),
        ATTR_DEPLOYMENT_ENVIRONMENT_NAME: AttributeSpec(
            key=ATTR_DEPLOYMENT_ENVIRONMENT_NAME,
            type="string",
        ),
        ATTR_TELEMETRY_SDK_LANGUAGE: AttributeSpec(
            key=ATTR_TELEMETRY_SDK_LANGUAGE,
            type="string",
        ),
        ATTR_TELEMETRY_SDK_NAME: AttributeSpec(
            key=ATTR_TELEMETRY_SDK_NAME,
            type="string",
        ),
        ATTR_TELEMETRY_SDK_VERSION: AttributeSpec(
            key=ATTR_TELEMETRY_SDK_VERSION,
            type="string",
        ),
        ATTR_CLIENT_ID: AttributeSpec(
            key=ATTR_CLIENT_ID,
            type="string",
            bounded=False,
        ),
        ATTR_REGION: AttributeSpec(
            key=ATTR_REGION,
            type="string",
        ),
        ATTR_CLIENT_STATE: AttributeSpec(
            key=ATTR_CLIENT_STATE,
            type="string",
            values=tuple(ClientState),
        ),
        ATTR_CLIENT_TRANSITION: AttributeSpec(
            key=ATTR_CLIENT_TRANSITION,
            type="string",
            values=tuple(ClientTransition),
        ),
        ATTR_PLATFORM: AttributeSpec(
            key=ATTR_PLATFORM,
            type="string",
            bounded=False,
        ),
        ATTR_ANSWER_CODE: AttributeSpec(
            key=ATTR_ANSWER_CODE,
            type="string",
        ),
        ATTR_WINDOW: AttributeSpec(
            key=ATTR_WINDOW,
            type="int",
            bounded=False,
        ),
        ATTR_WINDOW_ENDING: AttributeSpec(
            key=ATTR_WINDOW_ENDING,
            type="string",
            values=tuple(WindowEnding),
        ),
        ATTR_PARTICIPANTS_COUNT: AttributeSpec(
            key=ATTR_PARTICIPANTS_COUNT,
            type="int",
        ),
        ATTR_PARTICIPANTS_NEEDED: AttributeSpec(
            key=ATTR_PARTICIPANTS_NEEDED,
            type="int",
        ),
        ATTR_SUBMISSIONS_COUNT: AttributeSpec(
            key=ATTR_SUBMISSIONS_COUNT,
            type="int",
        ),
        ATTR_DUPLICATES_COUNT: AttributeSpec(
            key=ATTR_DUPLICATES_COUNT,
            type="int",
        ),
        ATTR_GROUPS_COUNT: AttributeSpec(
            key=ATTR_GROUPS_COUNT,
            type="int",
        ),
        ATTR_PAUSE_REASON: AttributeSpec(
            key=ATTR_PAUSE_REASON,
            type="string",
        ),
        ATTR_CLERK_STEP: AttributeSpec(
            key=ATTR_CLERK_STEP,
            type="string",
            values=tuple(ClerkStep),
        ),
        ATTR_STORAGE_PART: AttributeSpec(
            key=ATTR_STORAGE_PART,
            type="string",
            values=tuple(StoragePart),
        ),
        ATTR_BUCKETS_COUNT: AttributeSpec(
            key=ATTR_BUCKETS_COUNT,
            type="int",
        ),
        ATTR_MEMBERS_COUNT: AttributeSpec(
            key=ATTR_MEMBERS_COUNT,
            type="int",
        ),
        ATTR_BUCKET_STAGE: AttributeSpec(
            key=ATTR_BUCKET_STAGE,
            type="string",
            values=tuple(BucketStage),
        ),
        ATTR_RELEASE_SEMANTIC_VERSION: AttributeSpec(
            key=ATTR_RELEASE_SEMANTIC_VERSION,
            type="string",
        ),
        ATTR_RELEASE_PARENT_SEMANTIC_VERSION: AttributeSpec(
            key=ATTR_RELEASE_PARENT_SEMANTIC_VERSION,
            type="string",
            bounded=False,
        ),
        ATTR_RELEASE_ROLE: AttributeSpec(
            key=ATTR_RELEASE_ROLE,
            type="string",
            values=tuple(ReleaseRole),
        ),
        ATTR_ROLLOUT_STAGE: AttributeSpec(
            key=ATTR_ROLLOUT_STAGE,
            type="string",
            values=tuple(RolloutStage),
        ),
        ATTR_ROLLOUT_DECISION: AttributeSpec(
            key=ATTR_ROLLOUT_DECISION,
            type="string",
            values=tuple(RolloutDecision),
        ),
        ATTR_ROLLOUT_SHARE: AttributeSpec(
            key=ATTR_ROLLOUT_SHARE,
            type="double",
        ),
        ATTR_ERROR_RATE_BEFORE: AttributeSpec(
            key=ATTR_ERROR_RATE_BEFORE,
            type="double",
        ),
        ATTR_ERROR_RATE_AFTER: AttributeSpec(
            key=ATTR_ERROR_RATE_AFTER,
            type="double",
        ),
        ATTR_REPORTING_CLIENTS: AttributeSpec(
            key=ATTR_REPORTING_CLIENTS,
            type="int",
        ),
        ATTR_PRIVACY_EPSILON: AttributeSpec(
            key=ATTR_PRIVACY_EPSILON,
            type="double",
        ),
        ATTR_PRIVACY_EPSILON_SPENT: AttributeSpec(
            key=ATTR_PRIVACY_EPSILON_SPENT,
            type="double",
        ),
        ATTR_PRIVACY_EPSILON_BUDGET: AttributeSpec(
            key=ATTR_PRIVACY_EPSILON_BUDGET,
            type="double",
        ),
        ATTR_PRIVACY_DELTA: AttributeSpec(
            key=ATTR_PRIVACY_DELTA,
            type="double",
        ),
        ATTR_PRIVACY_NOISE_MULTIPLIER: AttributeSpec(
            key=ATTR_PRIVACY_NOISE_MULTIPLIER,
            type="double",
        ),
        ATTR_PRIVACY_RADIUS: AttributeSpec(
            key=ATTR_PRIVACY_RADIUS,
            type="double",
        ),
        ATTR_HTTP_ROUTE: AttributeSpec(
            key=ATTR_HTTP_ROUTE,
            type="string",
        ),
        ATTR_HTTP_REQUEST_METHOD: AttributeSpec(
            key=ATTR_HTTP_REQUEST_METHOD,
            type="string",
        ),
        ATTR_HTTP_RESPONSE_STATUS_CODE: AttributeSpec(
            key=ATTR_HTTP_RESPONSE_STATUS_CODE,
            type="int",
        ),
    }
)

SPANS: Final[Mapping[str, SignalSpec]] = MappingProxyType(
    {
        SPAN_CLIENT_REGISTRATION: SignalSpec(
            name=SPAN_CLIENT_REGISTRATION,
            description="A client registers, gets another token or leaves.",
            required=frozenset({ATTR_HTTP_REQUEST_METHOD, ATTR_HTTP_ROUTE}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_ANSWER_CODE, ATTR_CLIENT_ID, ATTR_REGION, ATTR_HTTP_RESPONSE_STATUS_CODE}),
        ),
        SPAN_CLIENT_SUBMISSION: SignalSpec(
            name=SPAN_CLIENT_SUBMISSION,
            description="A client's submission is checked and written.",
            required=frozenset({ATTR_HTTP_REQUEST_METHOD, ATTR_HTTP_ROUTE}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_ANSWER_CODE, ATTR_CLIENT_ID, ATTR_PAYLOAD_SIZE, ATTR_REGION, ATTR_WINDOW, ATTR_HTTP_RESPONSE_STATUS_CODE}),
        ),
        SPAN_CLIENT_PARTICIPATION: SignalSpec(
            name=SPAN_CLIENT_PARTICIPATION,
            description="A client asks to take part in the secret sums of a window.",
            required=frozenset({ATTR_HTTP_REQUEST_METHOD, ATTR_HTTP_ROUTE}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_ANSWER_CODE, ATTR_CLIENT_ID, ATTR_REGION, ATTR_WINDOW, ATTR_HTTP_RESPONSE_STATUS_CODE}),
        ),
        SPAN_WINDOW_SUMS: SignalSpec(
            name=SPAN_WINDOW_SUMS,
            description="The buckets of a window are summed in secret.",
            required=frozenset({ATTR_WINDOW}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_BUCKETS_COUNT, ATTR_MEMBERS_COUNT}),
        ),
        SPAN_RELEASE_DELIVERY: SignalSpec(
            name=SPAN_RELEASE_DELIVERY,
            description="A client gets a release; not one that it has already.",
            required=frozenset({ATTR_HTTP_REQUEST_METHOD, ATTR_HTTP_ROUTE}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_ANSWER_CODE, ATTR_CLIENT_ID, ATTR_RELEASE_ROLE, ATTR_RELEASE_SEMANTIC_VERSION, ATTR_HTTP_RESPONSE_STATUS_CODE}),
        ),
        SPAN_CLERK_STEP: SignalSpec(
            name=SPAN_CLERK_STEP,
            description="The clerk of a federation does one of its steps.",
            required=frozenset({ATTR_CLERK_STEP}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_OUTCOME, ATTR_PARTICIPANTS_COUNT, ATTR_RELEASE_SEMANTIC_VERSION, ATTR_WINDOW}),
        ),
        SPAN_DOOR_GATHER: SignalSpec(
            name=SPAN_DOOR_GATHER,
            description="A door brings the submissions of its region's clients into the round.",
            required=frozenset({ATTR_HOST_ID, ATTR_REGION, ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_AGENTS_COUNT, ATTR_SUBMISSIONS_COUNT, ATTR_WINDOW}),
        ),
        SPAN_REGION_FOLD: SignalSpec(
            name=SPAN_REGION_FOLD,
            description="A door folds submissions into the sums of its region's groups.",
            required=frozenset({ATTR_REGION}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_GROUPS_COUNT, ATTR_SUBMISSIONS_COUNT, ATTR_WINDOW}),
        ),
        SPAN_CLIENT_PUSH: SignalSpec(
            name=SPAN_CLIENT_PUSH,
            description="A client sends its submissions to the federation.",
            required=frozenset(),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_ANSWER_CODE, ATTR_SUBMISSIONS_COUNT}),
        ),
        SPAN_CLIENT_PULL: SignalSpec(
            name=SPAN_CLIENT_PULL,
            description="A client asks for a release, verifies it and blends it in.",
            required=frozenset(),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_OUTCOME, ATTR_RELEASE_SEMANTIC_VERSION}),
        ),
        SPAN_ROUND: SignalSpec(
            name=SPAN_ROUND,
            description="One round, from its opening to the release or the reason why there is none.",
            required=frozenset({ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_ABORT_REASON, ATTR_AGENTS_COUNT, ATTR_BYZANTINE_COUNT, ATTR_CONVERGENCE_KL_DIVERGENCE, ATTR_CONVERGENCE_STATUS, ATTR_DETECTION_PRECISION, ATTR_DETECTION_RECALL, ATTR_FAULT_BOUND, ATTR_LEARNING_RATE_SCALE, ATTR_OUTCOME, ATTR_QUORUM, ATTR_RELEASE_VERSION, ATTR_RULE, ATTR_RUN_ID, ATTR_UPDATES_ACCEPTED, ATTR_UPDATES_LATE, ATTR_UPDATES_REFUSED}),
        ),
        SPAN_OPEN: SignalSpec(
            name=SPAN_OPEN,
            description="The coordinator draws the roster and the bounds of the round.",
            required=frozenset({ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_AGENTS_COUNT, ATTR_FAULT_BOUND, ATTR_QUORUM}),
        ),
        SPAN_LOCAL_TRAINING: SignalSpec(
            name=SPAN_LOCAL_TRAINING,
            description="All hosts run their agents' local learners; ends with the last host or the deadline.",
            required=frozenset({ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_AGENTS_COUNT, ATTR_HOSTS_COUNT}),
        ),
        SPAN_HOST_LEARNING: SignalSpec(
            name=SPAN_HOST_LEARNING,
            description="One host trains all of its agents in one batched step and signs what they learned.",
            required=frozenset({ATTR_HOST_ID, ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_AGENTS_COUNT, ATTR_BATCH_SIZE, ATTR_HETEROGENEITY, ATTR_NUM_EPOCHS}),
        ),
        SPAN_AGENT_TRAINING: SignalSpec(
            name=SPAN_AGENT_TRAINING,
            description="One agent's share of its host's training.",
            required=frozenset({ATTR_AGENT_ID, ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_BATCH_SIZE, ATTR_GRADIENT_BYZANTINE, ATTR_LOSS, ATTR_NUM_EPOCHS}),
        ),
        SPAN_COMMIT: SignalSpec(
            name=SPAN_COMMIT,
            description="Agents send the hashes of their updates before anybody may see the updates.",
            required=frozenset({ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_AGENTS_COUNT}),
        ),
        SPAN_SUBMIT: SignalSpec(
            name=SPAN_SUBMIT,
            description="Signed updates travel from a host to the aggregator.",
            required=frozenset({ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_AGENTS_COUNT, ATTR_CODEC, ATTR_HOST_ID, ATTR_PAYLOAD_SIZE}),
        ),
        SPAN_GATE: SignalSpec(
            name=SPAN_GATE,
            description="The aggregator checks each update before any arithmetic.",
            required=frozenset({ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_UPDATES_ACCEPTED, ATTR_UPDATES_REFUSED}),
        ),
        SPAN_CLOSE: SignalSpec(
            name=SPAN_CLOSE,
            description="The aggregator stops taking updates.",
            required=frozenset({ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_AGENTS_REPLIED, ATTR_QUORUM}),
        ),
        SPAN_SCREEN: SignalSpec(
            name=SPAN_SCREEN,
            description="Each update gets a score and a verdict.",
            required=frozenset({ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_AGENTS_REPLIED, ATTR_DETECTION_METHOD}),
        ),
        SPAN_AGGREGATE: SignalSpec(
            name=SPAN_AGGREGATE,
            description="The rule makes one value of the updates.",
            required=frozenset({ATTR_ROUND, ATTR_RULE, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_AGENTS_REPLIED, ATTR_FAULT_BOUND}),
        ),
        SPAN_PROTECT: SignalSpec(
            name=SPAN_PROTECT,
            description="The privacy ledger is asked, and noise is drawn if it agrees.",
            required=frozenset({ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_OUTCOME, ATTR_PRIVACY_EPSILON, ATTR_PRIVACY_EPSILON_SPENT, ATTR_PRIVACY_NOISE_MULTIPLIER, ATTR_PRIVACY_RADIUS}),
        ),
        SPAN_VALIDATE: SignalSpec(
            name=SPAN_VALIDATE,
            description="The validators measure how far the knowledge moved.",
            required=frozenset({ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_CONVERGENCE_KL_DIVERGENCE, ATTR_CONVERGENCE_STATUS, ATTR_THRESHOLD}),
        ),
        SPAN_RELEASE: SignalSpec(
            name=SPAN_RELEASE,
            description="The coordinator signs the release and writes it to the journal.",
            required=frozenset({ATTR_RELEASE_VERSION, ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_MODEL_SIZE_BYTES, ATTR_RELEASE_DIGEST, ATTR_RELEASE_PARENT_VERSION}),
        ),
        SPAN_APPLY: SignalSpec(
            name=SPAN_APPLY,
            description="Hosts verify the release and take it over.",
            required=frozenset({ATTR_RELEASE_VERSION, ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_ERROR_TYPE}),
        ),
        SPAN_RECOVER: SignalSpec(
            name=SPAN_RECOVER,
            description="A restarted actor reads its state back from the journal.",
            required=frozenset({ATTR_ACTOR_KIND}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_RELEASE_VERSION, ATTR_ROUND, ATTR_RUN_ID, ATTR_WORKLOAD}),
        ),
        SPAN_MONITOR: SignalSpec(
            name=SPAN_MONITOR,
            description="A MAPE-K loop turns what happened into observations.",
            required=frozenset({ATTR_ACTOR_KIND}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_OBSERVATIONS_COUNT}),
        ),
        SPAN_ANALYZE: SignalSpec(
            name=SPAN_ANALYZE,
            description="A MAPE-K loop turns observations and knowledge into symptoms.",
            required=frozenset({ATTR_ACTOR_KIND}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_SYMPTOMS_COUNT}),
        ),
        SPAN_PLAN: SignalSpec(
            name=SPAN_PLAN,
            description="A MAPE-K loop turns symptoms into actions.",
            required=frozenset({ATTR_ACTOR_KIND}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_ACTIONS_COUNT}),
        ),
        SPAN_EXECUTE: SignalSpec(
            name=SPAN_EXECUTE,
            description="A MAPE-K loop carries its actions out.",
            required=frozenset({ATTR_ACTOR_KIND}),
            optional=frozenset({ATTR_ERROR_TYPE, ATTR_ACTIONS_COUNT}),
        ),
    }
)

EVENTS: Final[Mapping[str, SignalSpec]] = MappingProxyType(
    {
        EVENT_LOCAL_TRAINING_STARTED: SignalSpec(
            name=EVENT_LOCAL_TRAINING_STARTED,
            description="A host starts to train its agents.",
            required=frozenset({ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_AGENTS_COUNT, ATTR_HOST_ID}),
        ),
        EVENT_LOCAL_TRAINING_COMPLETED: SignalSpec(
            name=EVENT_LOCAL_TRAINING_COMPLETED,
            description="A host has trained its agents.",
            required=frozenset({ATTR_DURATION, ATTR_LOSS, ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_AGENTS_COUNT, ATTR_BATCH_SIZE, ATTR_HOST_ID, ATTR_NUM_EPOCHS}),
        ),
        EVENT_GRADIENTS_COMPUTED: SignalSpec(
            name=EVENT_GRADIENTS_COMPUTED,
            description="The updates of a host are there.",
            required=frozenset({ATTR_GRADIENT_DIMENSION, ATTR_GRADIENT_NORM, ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_HOST_ID}),
        ),
        EVENT_TRAINING_NOT_FINITE: SignalSpec(
            name=EVENT_TRAINING_NOT_FINITE,
            description="Local training gave a loss or an update that is not a number. Metrics drop such values, so this says it.",
            required=frozenset({ATTR_AGENT_ID, ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_HOST_ID}),
        ),
        EVENT_BYZANTINE_DETECTED: SignalSpec(
            name=EVENT_BYZANTINE_DETECTED,
            description="Updates were judged to be lies and left out.",
            required=frozenset({ATTR_BYZANTINE_AGENT_IDS, ATTR_BYZANTINE_COUNT, ATTR_DETECTION_METHOD, ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_GRADIENT_BYZANTINE}),
        ),
        EVENT_CONVERGENCE_CHECKED: SignalSpec(
            name=EVENT_CONVERGENCE_CHECKED,
            description="The divergence between the old and the new model was measured.",
            required=frozenset({ATTR_CONVERGENCE_KL_DIVERGENCE, ATTR_CONVERGENCE_STATUS, ATTR_ROUND, ATTR_THRESHOLD, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_ACCURACY, ATTR_CONVERGENCE_MEASURE, ATTR_CONVERGENCE_ROUNDS_REMAINING}),
        ),
        EVENT_VALIDATORS_DISAGREED: SignalSpec(
            name=EVENT_VALIDATORS_DISAGREED,
            description="Validators reported divergences or verdicts that do not agree.",
            required=frozenset({ATTR_CONVERGENCE_KL_SPREAD, ATTR_ROUND, ATTR_VALIDATORS_COUNT, ATTR_WORKLOAD}),
            optional=frozenset(),
        ),
        EVENT_MODEL_SYNCHRONIZED: SignalSpec(
            name=EVENT_MODEL_SYNCHRONIZED,
            description="Hosts took a release over.",
            required=frozenset({ATTR_AGENTS_SYNCHRONIZED, ATTR_MODEL_SIZE_BYTES, ATTR_RELEASE_VERSION, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_ROUND}),
        ),
        EVENT_ROUND_OPENED: SignalSpec(
            name=EVENT_ROUND_OPENED,
            description="A round was opened.",
            required=frozenset({ATTR_AGENTS_COUNT, ATTR_FAULT_BOUND, ATTR_QUORUM, ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_DEADLINE, ATTR_RULE, ATTR_RUN_ID}),
        ),
        EVENT_ROUND_CLOSED: SignalSpec(
            name=EVENT_ROUND_CLOSED,
            description="A round stopped taking updates.",
            required=frozenset({ATTR_AGENTS_REPLIED, ATTR_QUORUM, ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_UPDATES_ACCEPTED, ATTR_UPDATES_LATE, ATTR_UPDATES_REFUSED}),
        ),
        EVENT_ROUND_ABORTED: SignalSpec(
            name=EVENT_ROUND_ABORTED,
            description="A round ended without a release.",
            required=frozenset({ATTR_ABORT_REASON, ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_AGENTS_REPLIED, ATTR_DETAIL, ATTR_QUORUM}),
        ),
        EVENT_UPDATE_REFUSED: SignalSpec(
            name=EVENT_UPDATE_REFUSED,
            description="The gate refused an update.",
            required=frozenset({ATTR_AGENT_ID, ATTR_REFUSAL_CODE, ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset(),
        ),
        EVENT_EQUIVOCATION_PROVED: SignalSpec(
            name=EVENT_EQUIVOCATION_PROVED,
            description="One agent signed two different updates for one round.",
            required=frozenset({ATTR_AGENT_ID, ATTR_FIRST_DIGEST, ATTR_ROUND, ATTR_SECOND_DIGEST, ATTR_WORKLOAD}),
            optional=frozenset(),
        ),
        EVENT_AGENT_QUARANTINED: SignalSpec(
            name=EVENT_AGENT_QUARANTINED,
            description="An agent's updates no longer count for now.",
            required=frozenset({ATTR_AGENT_ID, ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_FLAGS_IN_A_ROW, ATTR_REPUTATION}),
        ),
        EVENT_AGENT_READMITTED: SignalSpec(
            name=EVENT_AGENT_READMITTED,
            description="An agent's updates count again.",
            required=frozenset({ATTR_AGENT_ID, ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_REPUTATION}),
        ),
        EVENT_RELEASE_PUBLISHED: SignalSpec(
            name=EVENT_RELEASE_PUBLISHED,
            description="A release was signed, written and published.",
            required=frozenset({ATTR_RELEASE_DIGEST, ATTR_RELEASE_VERSION, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_MODEL_SIZE_BYTES, ATTR_RELEASE_PARENT_VERSION, ATTR_ROUND}),
        ),
        EVENT_RELEASE_ROLLED_BACK: SignalSpec(
            name=EVENT_RELEASE_ROLLED_BACK,
            description="An earlier release was made the current one.",
            required=frozenset({ATTR_RELEASE_PARENT_VERSION, ATTR_RELEASE_VERSION, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_DETAIL, ATTR_RELEASE_DIGEST}),
        ),
        EVENT_SYMPTOM_FOUND: SignalSpec(
            name=EVENT_SYMPTOM_FOUND,
            description="The analysis of a MAPE-K loop found a symptom.",
            required=frozenset({ATTR_ACTOR_KIND, ATTR_SYMPTOM}),
            optional=frozenset({ATTR_DETAIL, ATTR_SEVERITY}),
        ),
        EVENT_ACTION_EXECUTED: SignalSpec(
            name=EVENT_ACTION_EXECUTED,
            description="A MAPE-K loop carried an action out, or tried to.",
            required=frozenset({ATTR_ACTION, ATTR_ACTOR_KIND, ATTR_OUTCOME}),
            optional=frozenset({ATTR_DETAIL}),
        ),
        EVENT_ACTOR_RESTARTED: SignalSpec(
            name=EVENT_ACTOR_RESTARTED,
            description="An actor came back and read its state from the journal.",
            required=frozenset({ATTR_ACTOR_KIND}),
            optional=frozenset({ATTR_DETAIL, ATTR_ROUND}),
        ),
        EVENT_CLIENT_REGISTERED: SignalSpec(
            name=EVENT_CLIENT_REGISTERED,
            description="A client registered.",
            required=frozenset({ATTR_CLIENT_ID, ATTR_REGION}),
            optional=frozenset({ATTR_PLATFORM}),
        ),
        EVENT_CLIENT_DEREGISTERED: SignalSpec(
            name=EVENT_CLIENT_DEREGISTERED,
            description="A client left; what is kept of it will be erased.",
            required=frozenset({ATTR_CLIENT_ID}),
            optional=frozenset({ATTR_REGION}),
        ),
        EVENT_CLIENT_APPEALED: SignalSpec(
            name=EVENT_CLIENT_APPEALED,
            description="A client in quarantine asks for somebody to look at it.",
            required=frozenset({ATTR_CLIENT_ID}),
            optional=frozenset({ATTR_REGION}),
        ),
        EVENT_SUBMISSIONS_RECEIVED: SignalSpec(
            name=EVENT_SUBMISSIONS_RECEIVED,
            description="Submissions of clients were written, in one transaction.",
            required=frozenset({ATTR_DURATION, ATTR_SUBMISSIONS_COUNT}),
            optional=frozenset({ATTR_DUPLICATES_COUNT, ATTR_WINDOW}),
        ),
        EVENT_WINDOW_OPENED: SignalSpec(
            name=EVENT_WINDOW_OPENED,
            description="A window was opened.",
            required=frozenset({ATTR_PARTICIPANTS_NEEDED, ATTR_WINDOW}),
            optional=frozenset({ATTR_DURATION}),
        ),
        EVENT_WINDOW_EXTENDED: SignalSpec(
            name=EVENT_WINDOW_EXTENDED,
            description="A window goes on, because too few took part.",
            required=frozenset({ATTR_PARTICIPANTS_COUNT, ATTR_PARTICIPANTS_NEEDED, ATTR_WINDOW}),
            optional=frozenset(),
        ),
        EVENT_WINDOW_CLOSED: SignalSpec(
            name=EVENT_WINDOW_CLOSED,
            description="A window was closed.",
            required=frozenset({ATTR_PARTICIPANTS_COUNT, ATTR_WINDOW, ATTR_WINDOW_ENDING}),
            optional=frozenset({ATTR_DETAIL, ATTR_ROUND}),
        ),
        EVENT_FEDERATION_PAUSED: SignalSpec(
            name=EVENT_FEDERATION_PAUSED,
            description="Windows are no longer closed, until somebody resumes them or the reason is gone.",
            required=frozenset({ATTR_PAUSE_REASON}),
            optional=frozenset({ATTR_DETAIL, ATTR_WINDOW}),
        ),
        EVENT_FEDERATION_RESUMED: SignalSpec(
            name=EVENT_FEDERATION_RESUMED,
            description="Windows are closed again.",
            required=frozenset({ATTR_PAUSE_REASON}),
            optional=frozenset({ATTR_WINDOW}),
        ),
        EVENT_VERSION_PUBLISHED: SignalSpec(
            name=EVENT_VERSION_PUBLISHED,
            description="A release was signed for clients and written where they get it from.",
            required=frozenset({ATTR_RELEASE_SEMANTIC_VERSION, ATTR_RELEASE_VERSION}),
            optional=frozenset({ATTR_MODEL_SIZE_BYTES, ATTR_PARTICIPANTS_COUNT, ATTR_PRIVACY_EPSILON, ATTR_RELEASE_DIGEST, ATTR_RELEASE_PARENT_SEMANTIC_VERSION, ATTR_WINDOW}),
        ),
        EVENT_ROLLOUT_DECIDED: SignalSpec(
            name=EVENT_ROLLOUT_DECIDED,
            description="A rollout begins, goes on, waits for an operator or is rolled back.",
            required=frozenset({ATTR_RELEASE_SEMANTIC_VERSION, ATTR_ROLLOUT_DECISION, ATTR_ROLLOUT_STAGE}),
            optional=frozenset({ATTR_ERROR_RATE_AFTER, ATTR_ERROR_RATE_BEFORE, ATTR_RELEASE_PARENT_SEMANTIC_VERSION, ATTR_REPORTING_CLIENTS, ATTR_ROLLOUT_SHARE}),
        ),
        EVENT_REGION_FOLDED: SignalSpec(
            name=EVENT_REGION_FOLDED,
            description="Submissions of a region were folded into its groups' sums.",
            required=frozenset({ATTR_REGION, ATTR_SUBMISSIONS_COUNT}),
            optional=frozenset({ATTR_GROUPS_COUNT, ATTR_WINDOW}),
        ),
        EVENT_WINDOW_DRAWN: SignalSpec(
            name=EVENT_WINDOW_DRAWN,
            description="The clients that take part in a window were drawn into buckets.",
            required=frozenset({ATTR_BUCKETS_COUNT, ATTR_PARTICIPANTS_COUNT, ATTR_WINDOW}),
            optional=frozenset(),
        ),
        EVENT_BUCKET_CLOSED: SignalSpec(
            name=EVENT_BUCKET_CLOSED,
            description="A bucket has given its sum, or is left out.",
            required=frozenset({ATTR_BUCKET_STAGE, ATTR_MEMBERS_COUNT, ATTR_OUTCOME, ATTR_REGION, ATTR_WINDOW}),
            optional=frozenset({ATTR_ERROR_TYPE}),
        ),
        EVENT_PRIVACY_GRANTED: SignalSpec(
            name=EVENT_PRIVACY_GRANTED,
            description="The privacy ledger agreed to the noise of a release, and was written.",
            required=frozenset({ATTR_PRIVACY_EPSILON, ATTR_PRIVACY_EPSILON_BUDGET, ATTR_PRIVACY_EPSILON_SPENT, ATTR_ROUND, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_PRIVACY_DELTA}),
        ),
        EVENT_PRIVACY_REFUSED: SignalSpec(
            name=EVENT_PRIVACY_REFUSED,
            description="The privacy ledger refused a release, because its budget is spent.",
            required=frozenset({ATTR_PRIVACY_EPSILON_BUDGET, ATTR_PRIVACY_EPSILON_SPENT, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_PRIVACY_EPSILON, ATTR_ROUND}),
        ),
        EVENT_STORAGE_FAILED: SignalSpec(
            name=EVENT_STORAGE_FAILED,
            description="The storage of the federation could not be read or written.",
            required=frozenset({ATTR_ERROR_TYPE, ATTR_STORAGE_PART}),
            optional=frozenset({ATTR_DETAIL}),
        ),
        EVENT_RELEASE_REFUSED: SignalSpec(
            name=EVENT_RELEASE_REFUSED,
            description="A client does not take a release over, because it is not what its publisher signed.",
            required=frozenset({ATTR_ERROR_TYPE}),
            optional=frozenset({ATTR_DETAIL, ATTR_RELEASE_SEMANTIC_VERSION}),
        ),
    }
)

METRICS: Final[Mapping[str, MetricSpec]] = MappingProxyType(
    {
        METRIC_SUBMISSIONS: MetricSpec(
            name=METRIC_SUBMISSIONS,
            description="Submissions answered, by what they were answered.",
            required=frozenset({ATTR_ANSWER_CODE, ATTR_REGION}),
            optional=frozenset(),
            instrument="counter",
            unit="{submission}",
        ),
        METRIC_REQUEST_DURATION: MetricSpec(
            name=METRIC_REQUEST_DURATION,
            description="Duration of a request of a client or an operator, until its answer.",
            required=frozenset({ATTR_HTTP_REQUEST_METHOD, ATTR_HTTP_RESPONSE_STATUS_CODE, ATTR_HTTP_ROUTE}),
            optional=frozenset(),
            instrument="histogram",
            unit="s",
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
        ),
        METRIC_SUBMISSIONS_WRITE_DURATION: MetricSpec(
            name=METRIC_SUBMISSIONS_WRITE_DURATION,
            description="Duration of a transaction that writes submissions.",
            required=frozenset({ATTR_OUTCOME}),
            optional=frozenset(),
            instrument="histogram",
            unit="s",
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
        ),
        METRIC_CLIENT_TRANSITIONS: MetricSpec(
            name=METRIC_CLIENT_TRANSITIONS,
            description="Clients that registered, left, and whatever else became of them.",
            required=frozenset({ATTR_CLIENT_TRANSITION}),
            optional=frozenset(),
            instrument="counter",
            unit="{client}",
        ),
        METRIC_CLIENTS: MetricSpec(
            name=METRIC_CLIENTS,
            description="Registered clients, by where they stand.",
            required=frozenset({ATTR_CLIENT_STATE}),
            optional=frozenset(),
            instrument="gauge",
            unit="{client}",
        ),
        METRIC_WINDOW_PARTICIPANTS: MetricSpec(
            name=METRIC_WINDOW_PARTICIPANTS,
            description="Clients with a submission for the next round.",
            required=frozenset({ATTR_REGION}),
            optional=frozenset(),
            instrument="gauge",
            unit="{client}",
        ),
        METRIC_WINDOW_PARTICIPANTS_NEEDED: MetricSpec(
            name=METRIC_WINDOW_PARTICIPANTS_NEEDED,
            description="Clients that the next round needs, in all regions together.",
            required=frozenset(),
            optional=frozenset(),
            instrument="gauge",
            unit="{client}",
        ),
        METRIC_WINDOW_DURATION: MetricSpec(
            name=METRIC_WINDOW_DURATION,
            description="Seconds that a window is open for, as configured.",
            required=frozenset(),
            optional=frozenset(),
            instrument="gauge",
            unit="s",
        ),
        METRIC_WINDOW_REMAINING_DURATION: MetricSpec(
            name=METRIC_WINDOW_REMAINING_DURATION,
            description="Seconds until the window is closed or extended.",
            required=frozenset(),
            optional=frozenset(),
            instrument="gauge",
            unit="s",
        ),
        METRIC_WINDOWS: MetricSpec(
            name=METRIC_WINDOWS,
            description="Windows that came to their end, or were extended.",
            required=frozenset({ATTR_WINDOW_ENDING}),
            optional=frozenset(),
            instrument="counter",
            unit="{window}",
        ),
        METRIC_RELEASE_AGE_DURATION: MetricSpec(
            name=METRIC_RELEASE_AGE_DURATION,
            description="Seconds since the newest release for clients was made.",
            required=frozenset(),
            optional=frozenset(),
            instrument="gauge",
            unit="s",
        ),
        METRIC_FEDERATION_PAUSED: MetricSpec(
            name=METRIC_FEDERATION_PAUSED,
            description="Whether the federation is paused: 1 for the reason that holds, and 0 for those that have held.",
            required=frozenset({ATTR_PAUSE_REASON}),
            optional=frozenset(),
            instrument="gauge",
            unit="{flag}",
        ),
        METRIC_CLERK_STEPS: MetricSpec(
            name=METRIC_CLERK_STEPS,
            description="Steps that the clerk has done or failed to do.",
            required=frozenset({ATTR_CLERK_STEP, ATTR_OUTCOME}),
            optional=frozenset(),
            instrument="counter",
            unit="{step}",
        ),
        METRIC_CLERK_STEP_DURATION: MetricSpec(
            name=METRIC_CLERK_STEP_DURATION,
            description="Duration of a step of the clerk.",
            required=frozenset({ATTR_CLERK_STEP, ATTR_OUTCOME}),
            optional=frozenset(),
            instrument="histogram",
            unit="s",
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
        ),
        METRIC_VERSION_SERVED: MetricSpec(
            name=METRIC_VERSION_SERVED,
            description="Releases that clients are given: 1 for each. One that is no longer served is gone.",
            required=frozenset({ATTR_RELEASE_ROLE, ATTR_RELEASE_SEMANTIC_VERSION}),
            optional=frozenset(),
            instrument="gauge",
            unit="{flag}",
        ),
        METRIC_ROLLOUT_STATE: MetricSpec(
            name=METRIC_ROLLOUT_STATE,
            description="How far the rollout is: 1 for the stage that holds, 0 for the others.",
            required=frozenset({ATTR_ROLLOUT_STAGE}),
            optional=frozenset(),
            instrument="gauge",
            unit="{flag}",
        ),
        METRIC_ROLLOUT_SHARE: MetricSpec(
            name=METRIC_ROLLOUT_SHARE,
            description="Share of clients that are given the candidate; 1 when there is nothing to roll out.",
            required=frozenset(),
            optional=frozenset(),
            instrument="gauge",
            unit="{fraction}",
        ),
        METRIC_ROLLOUT_DECISIONS: MetricSpec(
            name=METRIC_ROLLOUT_DECISIONS,
            description="Decisions on rollouts.",
            required=frozenset({ATTR_ROLLOUT_DECISION}),
            optional=frozenset(),
            instrument="counter",
            unit="{decision}",
        ),
        METRIC_REPORTED_ERROR_RATE: MetricSpec(
            name=METRIC_REPORTED_ERROR_RATE,
            description="Share of calls that clients report as failed, of the release that they use.",
            required=frozenset({ATTR_RELEASE_ROLE}),
            optional=frozenset(),
            instrument="gauge",
            unit="{fraction}",
        ),
        METRIC_REPORTING_CLIENTS: MetricSpec(
            name=METRIC_REPORTING_CLIENTS,
            description="Clients whose reports count.",
            required=frozenset({ATTR_RELEASE_ROLE}),
            optional=frozenset(),
            instrument="gauge",
            unit="{client}",
        ),
        METRIC_STORAGE_FAILURES: MetricSpec(
            name=METRIC_STORAGE_FAILURES,
            description="Reads and writes of the storage that failed.",
            required=frozenset({ATTR_STORAGE_PART}),
            optional=frozenset(),
            instrument="counter",
            unit="{failure}",
        ),
        METRIC_SUBMISSIONS_GATHERED: MetricSpec(
            name=METRIC_SUBMISSIONS_GATHERED,
            description="Submissions that doors brought into rounds, or refused.",
            required=frozenset({ATTR_OUTCOME, ATTR_REGION}),
            optional=frozenset(),
            instrument="counter",
            unit="{submission}",
        ),
        METRIC_SUBMISSIONS_FOLDED: MetricSpec(
            name=METRIC_SUBMISSIONS_FOLDED,
            description="Submissions that were folded into a region's sums.",
            required=frozenset({ATTR_REGION}),
            optional=frozenset(),
            instrument="counter",
            unit="{submission}",
        ),
        METRIC_FOLD_DURATION: MetricSpec(
            name=METRIC_FOLD_DURATION,
            description="Duration of folding what had come since the last time.",
            required=frozenset({ATTR_REGION}),
            optional=frozenset(),
            instrument="histogram",
            unit="s",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
        ),
        METRIC_PRIVACY_EPSILON_SPENT: MetricSpec(
            name=METRIC_PRIVACY_EPSILON_SPENT,
            description="Epsilon of the period so far.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{epsilon}",
        ),
        METRIC_PRIVACY_EPSILON_BUDGET: MetricSpec(
            name=METRIC_PRIVACY_EPSILON_BUDGET,
            description="Epsilon that the period may cost.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{epsilon}",
        ),
        METRIC_PRIVACY_EPSILON_ROUND: MetricSpec(
            name=METRIC_PRIVACY_EPSILON_ROUND,
            description="Epsilon of the last release by itself.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{epsilon}",
        ),
        METRIC_PRIVACY_UTILITY_LOSS: MetricSpec(
            name=METRIC_PRIVACY_UTILITY_LOSS,
            description="Norm of the noise over that of the aggregate, in the last release.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{ratio}",
        ),
        METRIC_PRIVACY_REQUESTS: MetricSpec(
            name=METRIC_PRIVACY_REQUESTS,
            description="Times that the privacy ledger was asked, by what it said.",
            required=frozenset({ATTR_OUTCOME, ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="counter",
            unit="{request}",
        ),
        METRIC_BUCKETS: MetricSpec(
            name=METRIC_BUCKETS,
            description="Buckets whose members were summed in secret, or that are left out.",
            required=frozenset({ATTR_OUTCOME, ATTR_REGION}),
            optional=frozenset(),
            instrument="counter",
            unit="{bucket}",
        ),
        METRIC_LOCAL_LOSS: MetricSpec(
            name=METRIC_LOCAL_LOSS,
            description="Mean training loss of a host's agents after local training.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{loss}",
        ),
        METRIC_GLOBAL_LOSS: MetricSpec(
            name=METRIC_GLOBAL_LOSS,
            description="Mean training loss over all agents whose updates counted.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{loss}",
        ),
        METRIC_GRADIENT_TRANSMISSION_COUNT: MetricSpec(
            name=METRIC_GRADIENT_TRANSMISSION_COUNT,
            description="Updates sent to the aggregator.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="counter",
            unit="{gradient}",
        ),
        METRIC_BYZANTINE_DETECTION_COUNT: MetricSpec(
            name=METRIC_BYZANTINE_DETECTION_COUNT,
            description="Updates judged to be lies and left out.",
            required=frozenset({ATTR_DETECTION_METHOD, ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="counter",
            unit="{gradient}",
        ),
        METRIC_CONVERGENCE_ROUNDS: MetricSpec(
            name=METRIC_CONVERGENCE_ROUNDS,
            description="Rounds that it took to converge.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{round}",
        ),
        METRIC_ROUND_DURATION: MetricSpec(
            name=METRIC_ROUND_DURATION,
            description="Duration of a round.",
            required=frozenset({ATTR_OUTCOME, ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="histogram",
            unit="s",
            buckets=(0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0),
        ),
        METRIC_LOCAL_TRAINING_DURATION: MetricSpec(
            name=METRIC_LOCAL_TRAINING_DURATION,
            description="Duration of local training.",
            required=frozenset({ATTR_ACTOR_KIND, ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="histogram",
            unit="s",
            buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
        ),
        METRIC_AGGREGATION_DURATION: MetricSpec(
            name=METRIC_AGGREGATION_DURATION,
            description="Duration of the aggregation.",
            required=frozenset({ATTR_ACTOR_KIND, ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="histogram",
            unit="s",
            buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
        ),
        METRIC_CONVERGENCE_DURATION: MetricSpec(
            name=METRIC_CONVERGENCE_DURATION,
            description="Duration of the convergence check.",
            required=frozenset({ATTR_ACTOR_KIND, ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="histogram",
            unit="s",
            buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
        ),
        METRIC_DISTRIBUTION_DURATION: MetricSpec(
            name=METRIC_DISTRIBUTION_DURATION,
            description="Duration of the release's way to the hosts.",
            required=frozenset({ATTR_ACTOR_KIND, ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="histogram",
            unit="s",
            buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
        ),
        METRIC_PHASE_DURATION: MetricSpec(
            name=METRIC_PHASE_DURATION,
            description="Duration of a phase of the round or of a MAPE-K loop.",
            required=frozenset({ATTR_ACTOR_KIND, ATTR_PHASE}),
            optional=frozenset({ATTR_WORKLOAD}),
            instrument="histogram",
            unit="s",
            buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
        ),
        METRIC_JOURNAL_WRITE_DURATION: MetricSpec(
            name=METRIC_JOURNAL_WRITE_DURATION,
            description="Duration of a write to the journal, until it is on disk.",
            required=frozenset({ATTR_JOURNAL_OPERATION}),
            optional=frozenset(),
            instrument="histogram",
            unit="s",
            buckets=(5e-05, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0),
        ),
        METRIC_ROUNDS: MetricSpec(
            name=METRIC_ROUNDS,
            description="Rounds ended.",
            required=frozenset({ATTR_OUTCOME, ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="counter",
            unit="{round}",
        ),
        METRIC_ROUNDS_ABORTED: MetricSpec(
            name=METRIC_ROUNDS_ABORTED,
            description="Rounds ended without a release, by reason.",
            required=frozenset({ATTR_ABORT_REASON, ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="counter",
            unit="{round}",
        ),
        METRIC_ROUNDS_OVER_BUDGET: MetricSpec(
            name=METRIC_ROUNDS_OVER_BUDGET,
            description="Rounds that took longer than the round's budget.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="counter",
            unit="{round}",
        ),
        METRIC_ROUND_BUDGET_DURATION: MetricSpec(
            name=METRIC_ROUND_BUDGET_DURATION,
            description="Seconds that a round may take; what the coordinator's loop holds rounds to.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="s",
        ),
        METRIC_LEARNING_ACTIVE: MetricSpec(
            name=METRIC_LEARNING_ACTIVE,
            description="Whether rounds are run in the background: 1, or 0 when they are run on demand.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{flag}",
        ),
        METRIC_INTERVAL_DURATION: MetricSpec(
            name=METRIC_INTERVAL_DURATION,
            description="Seconds between rounds that are run in the background, from start to start.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="s",
        ),
        METRIC_UPDATES: MetricSpec(
            name=METRIC_UPDATES,
            description="Updates judged.",
            required=frozenset({ATTR_VERDICT, ATTR_WORKLOAD}),
            optional=frozenset({ATTR_REFUSAL_CODE}),
            instrument="counter",
            unit="{update}",
        ),
        METRIC_EQUIVOCATIONS: MetricSpec(
            name=METRIC_EQUIVOCATIONS,
            description="Proofs that an agent signed two different updates for one round.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="counter",
            unit="{proof}",
        ),
        METRIC_TRANSMITTED: MetricSpec(
            name=METRIC_TRANSMITTED,
            description="Bytes of updates sent, encoded.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="counter",
            unit="By",
        ),
        METRIC_QUORUM: MetricSpec(
            name=METRIC_QUORUM,
            description="Valid updates that the last round needed.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{update}",
        ),
        METRIC_FAULT_BOUND: MetricSpec(
            name=METRIC_FAULT_BOUND,
            description="Liars that the last round was built to bear.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{agent}",
        ),
        METRIC_AGENTS_ENROLLED: MetricSpec(
            name=METRIC_AGENTS_ENROLLED,
            description="Agents on the roster of the last round.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{agent}",
        ),
        METRIC_AGENTS_ACTIVE: MetricSpec(
            name=METRIC_AGENTS_ACTIVE,
            description="Agents whose updates arrived in the last round.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{agent}",
        ),
        METRIC_AGENTS_QUARANTINED: MetricSpec(
            name=METRIC_AGENTS_QUARANTINED,
            description="Agents in quarantine.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{agent}",
        ),
        METRIC_AGENTS_OBSERVED: MetricSpec(
            name=METRIC_AGENTS_OBSERVED,
            description="Agents that are judged and do not count: on probation, or of low reputation.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{agent}",
        ),
        METRIC_REPUTATION_MEDIAN: MetricSpec(
            name=METRIC_REPUTATION_MEDIAN,
            description="Median reputation of the agents, between 0 and 1.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{fraction}",
        ),
        METRIC_REPUTATION_LOWEST: MetricSpec(
            name=METRIC_REPUTATION_LOWEST,
            description="Lowest reputation of an agent, between 0 and 1.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{fraction}",
        ),
        METRIC_KL_DIVERGENCE: MetricSpec(
            name=METRIC_KL_DIVERGENCE,
            description="KL divergence between the last two releases.",
            required=frozenset({ATTR_CONVERGENCE_MEASURE, ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{nat}",
        ),
        METRIC_KL_SPREAD: MetricSpec(
            name=METRIC_KL_SPREAD,
            description="Largest minus smallest divergence that the validators reported in the last round.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{nat}",
        ),
        METRIC_DISAGREEMENTS: MetricSpec(
            name=METRIC_DISAGREEMENTS,
            description="Rounds in which the validators would have decided differently.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="counter",
            unit="{round}",
        ),
        METRIC_CONVERGENCE_STATE: MetricSpec(
            name=METRIC_CONVERGENCE_STATE,
            description="Where the run stands: 1 for the status that holds, 0 for the others.",
            required=frozenset({ATTR_CONVERGENCE_STATUS, ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{flag}",
        ),
        METRIC_HETEROGENEITY: MetricSpec(
            name=METRIC_HETEROGENEITY,
            description="Jensen-Shannon divergence of the agents' action distributions.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{nat}",
        ),
        METRIC_ACCURACY: MetricSpec(
            name=METRIC_ACCURACY,
            description="Share of held-out cases that the current release gets right.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{fraction}",
        ),
        METRIC_DETECTION_PRECISION: MetricSpec(
            name=METRIC_DETECTION_PRECISION,
            description="Share of the flagged agents that do lie; in simulations only.",
            required=frozenset({ATTR_ATTACK, ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{fraction}",
        ),
        METRIC_DETECTION_RECALL: MetricSpec(
            name=METRIC_DETECTION_RECALL,
            description="Share of the lying agents that were flagged; in simulations only.",
            required=frozenset({ATTR_ATTACK, ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{fraction}",
        ),
        METRIC_RELEASE_VERSION: MetricSpec(
            name=METRIC_RELEASE_VERSION,
            description="Version of the current release.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="{version}",
        ),
        METRIC_RELEASE_SIZE: MetricSpec(
            name=METRIC_RELEASE_SIZE,
            description="Size of the current release's artefact.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="gauge",
            unit="By",
        ),
        METRIC_ROLLBACKS: MetricSpec(
            name=METRIC_ROLLBACKS,
            description="Releases that brought an earlier one back.",
            required=frozenset({ATTR_WORKLOAD}),
            optional=frozenset(),
            instrument="counter",
            unit="{release}",
        ),
        METRIC_SYMPTOMS: MetricSpec(
            name=METRIC_SYMPTOMS,
            description="Symptoms that MAPE-K loops found.",
            required=frozenset({ATTR_ACTOR_KIND, ATTR_SYMPTOM}),
            optional=frozenset(),
            instrument="counter",
            unit="{symptom}",
        ),
        METRIC_ACTIONS: MetricSpec(
            name=METRIC_ACTIONS,
            description="Actions that MAPE-K loops carried out.",
            required=frozenset({ATTR_ACTION, ATTR_ACTOR_KIND, ATTR_OUTCOME}),
            optional=frozenset(),
            instrument="counter",
            unit="{action}",
        ),
        METRIC_ACTOR_RESTARTS: MetricSpec(
            name=METRIC_ACTOR_RESTARTS,
            description="Actors that came back after they had died.",
            required=frozenset({ATTR_ACTOR_KIND}),
            optional=frozenset(),
            instrument="counter",
            unit="{restart}",
        ),
        METRIC_ACTORS_SILENT: MetricSpec(
            name=METRIC_ACTORS_SILENT,
            description="Actors that did not answer the gateway's last scrape in time, and whose metrics are left out.",
            required=frozenset({ATTR_ACTOR_KIND}),
            optional=frozenset(),
            instrument="gauge",
            unit="{actor}",
        ),
        METRIC_TELEMETRY_DROPPED: MetricSpec(
            name=METRIC_TELEMETRY_DROPPED,
            description="Spans and events that were not delivered.",
            required=frozenset({ATTR_ACTOR_KIND, ATTR_SIGNAL}),
            optional=frozenset(),
            instrument="counter",
            unit="{item}",
        ),
        METRIC_TELEMETRY_DELIVERED: MetricSpec(
            name=METRIC_TELEMETRY_DELIVERED,
            description="Spans and events that were delivered.",
            required=frozenset({ATTR_ACTOR_KIND, ATTR_SIGNAL}),
            optional=frozenset(),
            instrument="counter",
            unit="{item}",
        ),
        METRIC_TELEMETRY_PENDING: MetricSpec(
            name=METRIC_TELEMETRY_PENDING,
            description="Spans and events that wait for their delivery.",
            required=frozenset({ATTR_ACTOR_KIND, ATTR_SIGNAL}),
            optional=frozenset(),
            instrument="gauge",
            unit="{item}",
        ),
        METRIC_INGEST_SPANS: MetricSpec(
            name=METRIC_INGEST_SPANS,
            description="Spans that agents sent to be learned from.",
            required=frozenset(),
            optional=frozenset(),
            instrument="counter",
            unit="{span}",
        ),
        METRIC_INGEST_EVALUATIONS: MetricSpec(
            name=METRIC_INGEST_EVALUATIONS,
            description="Evaluation results that came with them.",
            required=frozenset(),
            optional=frozenset(),
            instrument="counter",
            unit="{evaluation}",
        ),
        METRIC_INGEST_DROPPED: MetricSpec(
            name=METRIC_INGEST_DROPPED,
            description="Spans and evaluation results that were left out.",
            required=frozenset({ATTR_DROP_REASON}),
            optional=frozenset(),
            instrument="counter",
            unit="{item}",
        ),
        METRIC_INGEST_CONTENTS: MetricSpec(
            name=METRIC_INGEST_CONTENTS,
            description="Message contents left at the door.",
            required=frozenset(),
            optional=frozenset(),
            instrument="counter",
            unit="{attribute}",
        ),
        METRIC_INGEST_EXPERIENCES: MetricSpec(
            name=METRIC_INGEST_EXPERIENCES,
            description="Experiences made of trajectories and given to agents, or refused by the swarm.",
            required=frozenset({ATTR_OUTCOME}),
            optional=frozenset(),
            instrument="counter",
            unit="{experience}",
        ),
        METRIC_TRAJECTORIES: MetricSpec(
            name=METRIC_TRAJECTORIES,
            description="Trajectories that came to their end.",
            required=frozenset({ATTR_TRAJECTORY_ENDING}),
            optional=frozenset(),
            instrument="counter",
            unit="{trajectory}",
        ),
    }
)
