import type { StandardSchemaV1 } from './standard-schema.ts'

/** A duration such as `'250ms'`, `'5s'`, `'10m'`, `'24h'`, `'7d'`. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

/** Where identities are compared. `parent` puts the calling operation and the call's ordinal into the key. */
export type Scope = 'tenant' | 'session' | 'run' | 'parent'

/** What a probe or a verification is told about the operation it asks after. */
export interface ProbeContext {
  /** The operation's own. A `keyed` tool that reads it counts as one that sends under it. */
  readonly key: string
  /** The key that the downstream was given, shaped for it. Throws where the provider takes none. */
  downstreamKey(provider?: string, operation?: string): string
  /** Aborts with the tool's time-out. */
  readonly signal: AbortSignal
  /** How many times the operation has been executed so far, this time included. */
  readonly attempt: number
  /** The run that first asked for the operation; undefined where there was none. */
  readonly run?: RunReference | undefined
}

/** A probe's answer: the effect exists (with the value to replay), it does not, or the probe cannot tell. */
export type ProbeAnswer<Output> =
  | { readonly found: true; readonly value: Output }
  | { readonly found: false }
  | { readonly found: 'unknown'; readonly why?: string }

export type ProbeFunction<Input, Output> = (
  input: Input,
  context: ProbeContext,
) => Promise<ProbeAnswer<Output>> | ProbeAnswer<Output>

/** The downstream honours our key for `windowMs` after the first send (protocol.md section 6). */
export interface KeyedRecovery<Input = never, Output = unknown> {
  readonly class: 'keyed'
  readonly windowMs: number
  readonly probe?: ProbeFunction<Input, Output>
  /** How long after the last send could land the probe may still miss an effect. */
  readonly settleMs: number
}

/** Ask the downstream; its `not found` counts only `settleMs` after the last send could land. */
export interface ProbeRecovery<Input = never, Output = unknown> {
  readonly class: 'probe'
  readonly probe: ProbeFunction<Input, Output>
  readonly settleMs: number
}

/** Effect and record commit in one database transaction that the engine begins and commits. */
export interface TransactionalRecovery {
  readonly class: 'transactional'
}

/** Applying again is harmless while `precondition` holds (a version, an If-Match). */
export interface IdempotentRecovery<Input = never> {
  readonly class: 'idempotent'
  readonly precondition: (input: Input, context: ProbeContext) => Promise<boolean> | boolean
}

/** A person decides. */
export interface ManualRecovery {
  readonly class: 'manual'
}

/** Every child is protected; the parent runs again and its children replay. */
export interface CompositeRecovery {
  readonly class: 'composite'
}

export type Recovery<Input = never, Output = unknown> =
  | KeyedRecovery<Input, Output>
  | ProbeRecovery<Input, Output>
  | TransactionalRecovery
  | IdempotentRecovery<Input>
  | ManualRecovery
  | CompositeRecovery

export type RecoveryClass = Recovery['class']

/** The facts of the run a call belongs to. */
export interface RunReference {
  readonly id: string
  readonly tenant: string
  readonly session: string | undefined
}

/** What `execute` and `prepare` are given beside the input. */
export interface ToolContext extends ProbeContext {
  /**
   * `fetch` that carries the operation's key, calls {@link checkpoint} itself, counts physical attempts
   * and proves "not sent" where it can.
   */
  readonly fetch: typeof globalThis.fetch
  /**
   * Call right before a send that does not go through {@link fetch}. Throws `CANCELLED` (effect none)
   * when the attempt may no longer send: its deadline passed, it was aborted, or its lease was lost. From then on the
   * attempt has sent something of unknown outcome: what becomes of requests by {@link fetch} is no proof about that.
   */
  checkpoint(): void
  readonly run: RunReference | undefined
  /** The engine's open database transaction; only for `transactional()` tools. */
  readonly transaction: unknown
}

/** How an error that a tool threw or answered is read. */
export interface ErrorMapping {
  /** A code or status to equal, or a predicate over the error (thrown, or the answered error object). */
  readonly match: string | number | ((error: unknown) => boolean)
  /** `none`: it did not happen (unless another send may have acted); `done`: it did, and the error is replayed; `unknown`: a doubt. */
  readonly effect: 'none' | 'done' | 'unknown'
}

type Paths<T, Depth extends 0[] = []> = Depth['length'] extends 4
  ? never
  : T extends readonly unknown[]
    ? never
    : T extends object
      ? { [K in keyof T & string]: K | `${K}.${Paths<NonNullable<T[K]>, [...Depth, 0]>}` }[keyof T & string]
      : never

/** Field names and dotted paths of an input. */
export type FieldPath<Input> = 0 extends 1 & Input ? string : Paths<Input>

/** What makes two calls the same operation. */
export type Identity<Input> =
  | readonly [FieldPath<Input>, ...FieldPath<Input>[]]
  | 'all'
  | 'sequence'
  | ((input: Input) => unknown)

/** Declarations that a write shares with a read. */
export interface ReadOptions<Schema extends StandardSchemaV1, Output> {
  readonly name: string
  readonly description?: string
  readonly input: Schema
  readonly effect: 'read'
  readonly execute: (input: StandardSchemaV1.InferOutput<Schema>, context: ToolContext) => Promise<Output> | Output
}

/** A write: everything that makes its effect happen once. */
export interface WriteOptions<Schema extends StandardSchemaV1, Output> {
  readonly name: string
  readonly description?: string
  /** Major version of the contract; an open record of another major fails closed. @default 1 */
  readonly version?: number
  /** Older majors whose stored outcome has the same shape and may be replayed. @default [] */
  readonly replaysFrom?: readonly number[]
  /**
   * Older majors whose identity or scope differed: what they declared, over today's input. A function gives what the
   * older one gave; a field list gives the same as the list of that version did. @default []
   */
  readonly supersedes?: readonly {
    readonly version: number
    readonly identity: Exclude<Identity<StandardSchemaV1.InferOutput<Schema>>, 'sequence'>
    /** @default the scope of this version */
    readonly scope?: Scope
  }[]
  readonly input: Schema
  readonly effect: 'write'
  readonly identity: Identity<StandardSchemaV1.InferOutput<Schema>>
  /** Fields that may differ on a repeat. @default [] */
  readonly ignore?: readonly FieldPath<StandardSchemaV1.InferOutput<Schema>>[]
  /** @default 'tenant' */
  readonly scope?: Scope
  /** How long an outcome is replayed. @default '24h' */
  readonly retention?: Duration
  /** How long any caller above may retry; never more than `retention`. @default '24h', or `retention` where that is shorter */
  readonly retryHorizon?: Duration
  readonly recovery: Recovery<StandardSchemaV1.InferOutput<Schema>, Output>
  readonly execute: (input: StandardSchemaV1.InferOutput<Schema>, context: ToolContext) => Promise<Output> | Output
  /**
   * Slow work without effects, run under the claim and before the marker; what it returns replaces the input of `execute`.
   * That, and what it changes in the input that it was given, is frozen in the ledger for a re-send: JSON, and no secrets.
   */
  readonly prepare?: (
    input: StandardSchemaV1.InferOutput<Schema>,
    context: ToolContext,
  ) => Promise<StandardSchemaV1.InferOutput<Schema> | void> | StandardSchemaV1.InferOutput<Schema> | void
  /** Promotes "accepted" to "done": true when the effect is there, false when it is not, undefined when not yet known. */
  readonly verify?: (outcome: Output, context: ProbeContext) => Promise<boolean | undefined> | boolean | undefined
  /** The undo: an operation with its own key. */
  readonly compensate?: (outcome: Output, context: ToolContext) => Promise<unknown>
  /** What errors of the tool say of the effect; the first that matches counts. @default [] */
  readonly errors?: readonly ErrorMapping[]
  /**
   * Deadline of one attempt, of `prepare` before it, and of each question to `probe`, `precondition` and `verify`: an
   * answer that comes later counts for nothing. A question is asked again; an attempt that did not come past `prepare`
   * has started no effect.
   * @default '60s'
   */
  readonly timeout?: Duration
  /**
   * `'checked'` declares that every send of this tool passes `ctx.fetch` or follows `ctx.checkpoint()`:
   * a probe's "not found" is then trusted without proof that the first owner is dead.
   * @default 'unchecked'
   */
  readonly sends?: 'checked' | 'unchecked'
  /** Serialises distinct operations whose named fields are equal. @default none */
  readonly exclusive?: readonly [
    FieldPath<StandardSchemaV1.InferOutput<Schema>>,
    ...FieldPath<StandardSchemaV1.InferOutput<Schema>>[],
  ]
  /** Holds a call that equals a recent one in `fields` but has another key. @default off */
  readonly near?: {
    readonly fields: readonly [
      FieldPath<StandardSchemaV1.InferOutput<Schema>>,
      ...FieldPath<StandardSchemaV1.InferOutput<Schema>>[],
    ]
    readonly within: Duration
    readonly then: 'hold'
  }
  /** What a caller's `idempotencyKey` means. `required`: it is the identity. @default 'ignored' */
  readonly callerKey?: 'ignored' | 'trusted' | 'required'
  /** `'model'`: the notice of a collapsed repeat is put where the model sees it. @default none */
  readonly notice?: 'model'
  /** Input field that carries the occurrence. */
  readonly occurrenceField?: FieldPath<StandardSchemaV1.InferOutput<Schema>>
  /** Input field with the amount, for receipts. */
  readonly amount?: FieldPath<StandardSchemaV1.InferOutput<Schema>>
}

export type ToolOptions<Schema extends StandardSchemaV1, Output> =
  | ReadOptions<Schema, Output>
  | WriteOptions<Schema, Output>

/**
 * A contract after validation: what the engine works with. Built only by `defineContract`.
 * Inputs given to its functions are already validated by the schema.
 */
export interface Contract {
  readonly name: string
  readonly description: string | undefined
  /** The schema as it was declared; {@link parse} applies it. */
  readonly input: StandardSchemaV1
  readonly major: number
  readonly replaysFrom: readonly number[]
  readonly effect: 'read' | 'write'
  readonly scope: Scope
  readonly retentionMs: number
  readonly retryHorizonMs: number
  readonly timeoutMs: number
  readonly sends: 'checked' | 'unchecked'
  readonly recovery: Recovery<never, unknown>
  readonly callerKey: 'ignored' | 'trusted' | 'required'
  readonly notice: 'model' | undefined
  readonly errors: readonly ErrorMapping[]
  readonly near: { readonly fields: readonly string[]; readonly withinMs: number } | undefined
  readonly exclusive: readonly string[] | undefined
  /** True for `identity: 'sequence'`: the engine supplies run and call index as identity. */
  readonly sequence: boolean
  readonly execute: (input: unknown, context: ToolContext) => unknown
  readonly prepare: ((input: unknown, context: ToolContext) => unknown) | undefined
  readonly verify: ((outcome: unknown, context: ProbeContext) => unknown) | undefined
  readonly compensate: ((outcome: unknown, context: ToolContext) => unknown) | undefined
  /** Validates an input with the schema; a promise where the schema is asynchronous. @throws OnefoldError INPUT_INVALID naming the path */
  parse(input: unknown): unknown
  /**
   * The value that identifies the operation; undefined for `sequence` and for a read. A field list gives
   * `{ path: value }` without absent fields. @throws OnefoldError INPUT_INVALID when none of the fields is there
   */
  identityOf(input: unknown): unknown
  /** Older identities still honoured, newest first. */
  supersededIdentitiesOf(
    input: unknown,
  ): readonly { readonly major: number; readonly identity: unknown; readonly scope: Scope | undefined }[]
  /** The input without `ignore` and `occurrenceField`: what must match on a repeat. The input itself if it has none of them. */
  bindingOf(input: unknown): unknown
  /** Occurrence that the input names, if the contract declares a field for it. */
  occurrenceOf(input: unknown): number | undefined
  /** Amount that the input names, if declared. */
  amountOf(input: unknown): number | undefined
  /** Values at dotted paths, in order, null where there is none; used for `exclusive` and `near`. */
  pick(input: unknown, fields: readonly string[]): readonly unknown[]
  /** The contract as plain JSON (BF-11). */
  describe(): ContractDescription
}

/** A contract as part of a tool's public description. */
export interface ContractDescription {
  readonly name: string
  readonly version: number
  readonly effect: 'read' | 'write'
  readonly description?: string
  readonly identity?: readonly string[] | 'all' | 'sequence' | 'function' | 'caller-key'
  readonly ignore?: readonly string[]
  readonly scope?: Scope
  readonly retentionMs?: number
  readonly retryHorizonMs?: number
  readonly recovery?: {
    readonly class: RecoveryClass
    readonly windowMs?: number
    readonly settleMs?: number
    readonly probe?: boolean
  }
  readonly callerKey?: 'ignored' | 'trusted' | 'required'
  readonly exclusive?: readonly string[]
  readonly near?: { readonly fields: readonly string[]; readonly withinMs: number }
  readonly occurrenceField?: string
  readonly amount?: string
  readonly compensated?: boolean
  readonly verified?: boolean
  readonly timeoutMs?: number
}
