import { assertNumber, knownOptions, nearest, unknownName, type NamesOf } from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'
import type { EventName } from './events.ts'
import type { PerformOptions } from './engine.ts'
import type { Run } from './guard-types.ts'
import type { ParentReference } from './record.ts'

/** How a protected tool is called beside its input. */
export type ToolCallOptions = Omit<PerformOptions, 'run' | 'execute' | 'undoes'> & { readonly run?: Run }

/** Which run it is, and whose. */
export interface RunOptions {
  /** The outermost boundary's id, the same through every retry. Minted, and flagged `unanchored`, when absent. */
  readonly id?: string
  /** Whose operations they are: no tenant meets another's. @default that of the run around it, else the guard's */
  readonly tenant?: string
  /** What `scope: 'session'` compares within, as a conversation. @default that of the run around it, else none */
  readonly session?: string
  /** W3C Trace Context's `traceparent` of the request; carried along, never part of a key. */
  readonly traceparent?: string
  /** The operation of another process that this run is one part of, as `runFrom` reads it. @default none */
  readonly parent?: ParentReference
}

const RUN: NamesOf<RunOptions> = { id: true, tenant: true, session: true, traceparent: true, parent: true }

const CALL: NamesOf<ToolCallOptions> = {
  idempotencyKey: true,
  occurrence: 'number',
  callId: true,
  signal: true,
  onDoubt: true,
  waitMs: 'number',
  run: true,
  round: true,
  confirm: true,
}

const EVENTS: Readonly<Record<EventName, true>> = {
  transition: true,
  duplicate: true,
  doubt: true,
  alarm: true,
  'aborted-after-commit': true,
  'suspected-repeat': true,
  spooled: true,
  store: true,
}

/**
 * What `guard.run` was given. A name that is no text (a row's number, most often) would be found out by the store only,
 * which then passes for one that failed.
 * @throws OnefoldError CONFIG_INVALID for an option that a run does not have, a name that is no text, no work
 */
export function knownRun(options: RunOptions, work: unknown): RunOptions {
  knownOptions('guard.run', options, RUN)
  for (const name of ['id', 'tenant', 'session', 'traceparent'] as const) {
    const given: unknown = options[name] ?? undefined
    if (given === undefined || typeof given === 'string') continue
    throw new OnefoldError(
      'CONFIG_INVALID',
      `The ${name} of guard.run is a text and was given as ${typeof given}. Nothing was started; write it as one, the same at every retry, as String(order.id).`,
    )
  }
  if (typeof work !== 'function')
    throw new OnefoldError(
      'CONFIG_INVALID',
      'guard.run has no work to do. Nothing was started; write guard.run({ id }, async (run) => …).',
    )
  return options
}

/**
 * The tenant of a guard. One without a name, as from a variable that is empty in one place, would make every earlier call
 * a new one there.
 * @throws OnefoldError CONFIG_INVALID
 */
export function knownTenant(given: unknown): string {
  const tenant = given ?? 'default'
  if (typeof tenant === 'string' && tenant !== '') return tenant
  throw new OnefoldError(
    'CONFIG_INVALID',
    "This is no tenant: it has to be a text that is not empty. Nothing was started; leave it out where there is only one, which is then 'default'.",
    { details: { name: 'tenant' } },
  )
}

const CALL_NAMES = Object.keys(CALL)

/** Names that no option is near, so that a framework's are compared once and not at every call. Bounded. */
const strangers = new Set<string>()
const KEPT = 1_000

/**
 * Refuses what looks like a misspelt option. Other names pass, also `runId` and `config`: a framework that is handed a
 * protected tool as its function gives it its own options behind the input.
 * @throws OnefoldError CONFIG_INVALID, also for a time to wait that is no number: a timer takes it for no time at all
 */
export function knownCall(options: ToolCallOptions): ToolCallOptions {
  for (const word in options) {
    if (Object.hasOwn(CALL, word) || strangers.has(word)) continue
    if (nearest(word, CALL_NAMES, Math.max(1, Math.floor(word.length / 4))) !== undefined)
      throw unknownName('The call of a tool', 'option', word, CALL_NAMES)
    if (strangers.size < KEPT) strangers.add(word)
  }
  assertNumber('a call', 'waitMs', options.waitMs ?? undefined)
  return options
}

/** @throws OnefoldError CONFIG_INVALID for an event that is never told */
export function knownEvent<Name extends EventName>(name: Name): Name {
  if (Object.hasOwn(EVENTS, name)) return name
  throw unknownName('guard.on', 'event', String(name), Object.keys(EVENTS))
}
