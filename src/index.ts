// The public surface of celeriac: everything users import, and nothing else. A test pins this list.

// The app
export { Celeriac } from './app.js';
export type { Container } from './app-options/container.js';
export type { AppConf } from './app-options/resolve.js';
export type { CeleriacOptions } from './app-options.js';
export type { CheckResult as Finding, Severity } from './broker/check-result.js';
// Calling
export { type Chain, type Chord, chain, chord, type Group, group } from './canvas/compose.js';
export type { AnyComposable } from './canvas/from-json.js';
export type { Handles, TaskHandle } from './canvas/handle.js';
export { type ComposableJson, Signature, type SignatureJson, type WorkflowJson } from './canvas/signature.js';
export type { Composable } from './canvas/typing.js';
export type { AskOptions } from './control/caller.js';
export type {
  ErrorReply,
  FoundTask,
  NodeStats,
  QueueReport,
  Replies,
  TaskReport,
} from './control/commands.js';
export { Control } from './control/control.js';
// Workers and remote control
export type { Diagnosis } from './control/doctor.js';
export {
  type FailedFilter,
  type FailedListOptions,
  type FailedReply,
  type FailedRetryOptions,
  FailedTasks,
} from './control/failed.js';
export { Inspect } from './control/inspect.js';
export type { CommandContext, CommandHandler } from './control/own-commands.js';
export { type QueueInfo, Queues } from './control/queues.js';
// Options
export type { Duration, Moment } from './duration.js';
// Errors
export {
  AlreadyRegisteredError,
  AppClosedError,
  BatchError,
  BrokerError,
  BrokerInUseError,
  BrokerUnavailableError,
  CeleriacError,
  type CeleriacErrorCode,
  ChordError,
  DuplicateTaskError,
  Ignore,
  InvalidArgumentsError,
  isCeleriacError,
  MaxRetriesExceededError,
  NotRegisteredError,
  NotSerializableError,
  OptionError,
  PayloadTooLargeError,
  Reject,
  ResultTimeoutError,
  SoftTimeLimitExceeded,
  StepError,
  StreamRestartedError,
  StreamTruncatedError,
  TaskError,
  TaskFailedError,
  TaskRevokedError,
  TimeLimitExceeded,
  UnknownTaskError,
  type Violation,
  WaitTimeoutError,
  WorkerLostError,
} from './errors.js';
// Events
export type { Fleet, FleetOptions } from './events/fleet.js';
export type { FleetSnapshot, FleetTask, FleetWorker } from './events/fleet-snapshot.js';
export type {
  AppEvent,
  EventListener,
  EventMap,
  EventName,
  EventsLost,
  EventsOptions,
  FleetEvent,
  LifecycleEvent,
  LifecycleName,
  LifecyclePlace,
} from './events/names.js';
export type { Acceptance } from './options/acceptance.js';
export type { Annotations, TaskAnnotation } from './options/annotations.js';
export type { CallOptions, SendOptions } from './options/call-options.js';
export type {
  DeclaredSchedules,
  DueTick,
  NamedSchedule,
  OwnSchedule,
  ScheduleWithArgs,
} from './options/declared-schedules.js';
export type { BatchOptions, ConcurrencyOptions, UniqueOptions } from './options/limits.js';
export type { Logger, TaskLogger } from './options/logger.js';
export type { RateLimit } from './options/rates.js';
export type { RouteFunction, Routes, RouteTarget } from './options/routes.js';
export type {
  CatchUp,
  CrontabSchedule,
  IntervalSchedule,
  OnceSchedule,
  OwnKind,
  Schedule,
  ScheduleBounds,
} from './options/schedules.js';
export type { PublishOptions, RunOptions, TaskOptions } from './options/task-options.js';
export type { PgTransactionClient, Transaction, TransactionOption } from './options/transaction.js';
export type { HealthOptions } from './options/worker-values.js';
export type { StepView } from './protocol/steps.js';
// BullMQ's own classes, as `app.bullmq()` and `worker.bullmq()` give them
export type { BullmqQueue, BullmqWorker } from './queue/raw-queues.js';
// Telemetry
export type { Telemetry } from './queue/tracing.js';
// Results
export { AsyncResult, type GetOptions, type ResultJson, type Update } from './results/async-result.js';
export type { Collected } from './results/collect.js';
export { EagerResult } from './results/eager-result.js';
export { GroupResult, type GroupResultJson, type GroupUpdate } from './results/group-result.js';
export type { ResultGraph } from './results/relations.js';
export type { RevokeOptions, RevokeReply } from './results/revoke.js';
export type { SendReply } from './results/send-reply.js';
export type { Snapshot } from './results/snapshot.js';
// Schedules
export type { CronField, CronFields } from './schedules/cron-fields.js';
export type { ScheduleOptions } from './schedules/entry.js';
export {
  type AtOptions,
  at,
  type CrontabOptions,
  crontab,
  type EveryOptions,
  every,
  type TimingOptions,
} from './schedules/schedule.js';
export {
  type ScheduleDefinition,
  type ScheduleEntry,
  Schedules,
  type ScheduleTick,
} from './schedules/schedules.js';
export { type State, states } from './states.js';
// Streams
export type { ResultStream, StreamEntry } from './streams/result-stream.js';
export type { StreamOptions } from './streams/stream-options.js';
// Declaring tasks
export {
  type CalledTask,
  currentTask,
  type LinkedTask,
  type RetryOptions,
  type TaskContext,
  type TaskRequest,
} from './tasks/context.js';
export { Task, type TaskDecorator } from './tasks/decorator.js';
export type { EventDetail } from './tasks/event-details.js';
export type {
  Middleware,
  PublishContext,
  PublishMiddleware,
  RunContext,
  RunMiddleware,
} from './tasks/middleware.js';
export type { OwnEventFields, OwnEventName, OwnEvents } from './tasks/own-events.js';
export type { TaskReference } from './tasks/reference.js';
export type { RegisterOptions } from './tasks/register-options.js';
export type { Serializer } from './tasks/serializer.js';
export { type TaskHooks, TaskService } from './tasks/service.js';
export type { StepTools, WaitOptions, WaitSchema } from './tasks/step-context.js';
export type { Batch } from './tasks/yields.js';
// Calls in transactions
export type { OutboxCounts, OutboxEntry } from './transactions/outbox/entry.js';
export type { Outbox, RunningRelay } from './transactions/outbox/outbox.js';
export type { WorkerProcesses } from './worker/processes/supervisor.js';
export { Worker } from './worker/worker.js';
export type { ProcessesOptions, WorkerDescription, WorkerOptions } from './worker/worker-options.js';
