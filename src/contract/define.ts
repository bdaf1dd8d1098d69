import { OnefoldError } from '../error/index.ts'
import type { AnyToolOptions, AnyWriteOptions } from './any-options.ts'
import { checkOptions } from './check-options.ts'
import { contractError } from './contract-error.ts'
import { describeContract } from './describe.ts'
import { formatDuration, parseDuration } from './duration.ts'
import { omit, valueAt } from './fields.ts'
import { parseInput } from './parse-input.ts'
import { manual } from './recovery.ts'
import type { StandardSchemaV1 } from './standard-schema.ts'
import type { Contract, Duration, Scope } from './types.ts'

/** What a guard sets for contracts that do not say otherwise. */
export interface ContractDefaults {
  /** @default 86400000 */
  readonly retentionMs?: number
  /** A horizon that is known: a contract with a shorter retention is then refused. @default min(24h, retention) */
  readonly retryHorizonMs?: number
  /** @default 60000 */
  readonly timeoutMs?: number
  /** @default 'tenant' */
  readonly scope?: Scope
}

/** What identifies, but for `sequence`, which the engine supplies. */
type AnyIdentity = readonly string[] | 'all' | ((input: never) => unknown)

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000

function positive(name: string, option: string, text: Duration | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  const ms = parseDuration(text, `${option} of ${name}`)
  if (ms === 0) throw contractError(name, `${option} cannot be 0`, `Write ${option}: '${formatDuration(otherwise)}'`)
  return ms
}

function horizons(
  name: string,
  write: AnyWriteOptions | undefined,
  defaults: ContractDefaults,
): readonly [number, number] {
  const retentionMs = positive(name, 'retention', write?.retention, defaults.retentionMs ?? DAY_MS)
  const known = defaults.retryHorizonMs ?? Math.min(DAY_MS, retentionMs)
  const retryHorizonMs = positive(name, 'retryHorizon', write?.retryHorizon, known)
  if (write !== undefined && retentionMs < retryHorizonMs) {
    throw contractError(
      name,
      `retention (${formatDuration(retentionMs)}) is shorter than the retry horizon (${formatDuration(retryHorizonMs)}), ` +
        'so a late retry would find its outcome forgotten',
      `Write retention: '${formatDuration(retryHorizonMs)}' or more, or a shorter retryHorizon`,
    )
  }
  const windowMs = write?.recovery?.class === 'keyed' ? write.recovery.windowMs : 0
  if (retentionMs < windowMs) {
    throw contractError(
      name,
      `retention (${formatDuration(retentionMs)}) is shorter than the window of its key (${formatDuration(windowMs)}), ` +
        'so the downstream would remember what the ledger has forgotten',
      `Write retention: '${formatDuration(windowMs)}' or more`,
    )
  }
  return [retentionMs, retryHorizonMs]
}

function missing(name: string, what: string, path: string): OnefoldError {
  return new OnefoldError(
    'INPUT_INVALID',
    `${name} cannot tell which operation this is: ${what}. Nothing was done; give ${path} and call again.`,
    { details: { contract: name, path: `$.${path}` } },
  )
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/** Calls a contract's identity function, which must answer at once; undefined for what it cannot identify. */
function identityBy(name: string, identify: (input: never) => unknown, input: unknown): unknown {
  let identity: unknown
  try {
    identity = identify(input as never)
  } catch (cause) {
    if (cause instanceof OnefoldError) throw cause
    throw new OnefoldError('INPUT_INVALID', `The identity function of ${name} threw. Nothing was done.`, {
      details: { contract: name, path: '$' },
      cause,
    })
  }
  if (isThenable(identity)) {
    // Its failure would otherwise be nobody's.
    identity.then(undefined, () => undefined)
    throw contractError(
      name,
      'its identity function answers later',
      'Compute identity from the input alone, without await',
    )
  }
  return identity
}

function identityByFields(name: string, fields: readonly string[], input: unknown): unknown {
  const present: [string, unknown][] = []
  for (const field of fields) {
    const value = valueAt(input, field)
    // Absent is not null: two calls that differ in this are two operations.
    if (value !== undefined) present.push([field, value])
  }
  const [first] = fields
  // One misspelt field must not make all calls the same operation.
  if (present.length === 0 && first !== undefined) throw missing(name, `the input has no ${fields.join(', ')}`, first)
  return Object.fromEntries(present)
}

function occurrenceFrom(name: string, field: string, input: unknown): number | undefined {
  const value = valueAt(input, field)
  if (value === undefined || value === null) return undefined
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value
  throw new OnefoldError(
    'INPUT_INVALID',
    `${field} of ${name} must be a whole number from 1: it says which repeat is wanted. Nothing was done.`,
    { details: { contract: name, path: `$.${field}` } },
  )
}

/**
 * Checks a tool's declaration and makes it the contract that the engine works with.
 *
 * A field list identifies by the fields that are there: absent and null differ, and a list of which nothing is there
 * is refused. The binding (what must match on a repeat) is the whole input without `ignore` and `occurrenceField`;
 * `identity: 'all'` is the binding. With `callerKey: 'required'` identity may be left out.
 * @throws OnefoldError CONTRACT_INVALID naming what is wrong and the fix
 */
export function defineContract(options: AnyToolOptions, defaults: ContractDefaults = {}): Contract {
  checkOptions(options as unknown as Readonly<Record<string, unknown>>)
  const { name } = options
  const write: AnyWriteOptions | undefined = options.effect === 'write' ? options : undefined
  const [retentionMs, retryHorizonMs] = horizons(name, write, defaults)
  const timeoutMs = positive(name, 'timeout', write?.timeout, defaults.timeoutMs ?? MINUTE_MS)
  const near = write?.near && {
    fields: Object.freeze([...write.near.fields]),
    withinMs: positive(name, 'near.within', write.near.within, 10 * MINUTE_MS),
  }
  const identity = write?.identity
  const occurrenceField = write?.occurrenceField
  const amountField = write?.amount
  const unbound = [...(write?.ignore ?? []), ...(occurrenceField === undefined ? [] : [occurrenceField])]
  const superseded = [...(write?.supersedes ?? [])].sort((a, b) => b.version - a.version)
  const bindingOf = (input: unknown): unknown => omit(input, unbound)
  const identityAs = (declared: AnyIdentity | undefined, input: unknown): unknown => {
    if (declared === 'all' || declared === undefined) return bindingOf(input)
    if (typeof declared !== 'function') return identityByFields(name, declared, input)
    const found = identityBy(name, declared, input)
    if (found === undefined) throw missing(name, 'its identity function returned undefined', 'what identity is made of')
    return found
  }
  /** Undefined where an older version would have refused this very input: then it has recorded nothing under it. */
  const pastIdentity = (declared: AnyIdentity, input: unknown): unknown => {
    if (typeof declared === 'function') return identityBy(name, declared, input)
    return declared === 'all' || declared.some((field) => valueAt(input, field) !== undefined)
      ? identityAs(declared, input)
      : undefined
  }

  const contract: Contract = {
    name,
    description: options.description,
    input: options.input as StandardSchemaV1,
    major: write?.version ?? 1,
    replaysFrom: Object.freeze([...(write?.replaysFrom ?? [])]),
    effect: options.effect,
    scope: write?.scope ?? defaults.scope ?? 'tenant',
    retentionMs,
    retryHorizonMs,
    timeoutMs,
    sends: write?.sends ?? 'unchecked',
    recovery: write?.recovery ?? manual(),
    callerKey: write?.callerKey ?? 'ignored',
    notice: write?.notice,
    errors: Object.freeze([...(write?.errors ?? [])]),
    near,
    exclusive: write?.exclusive && Object.freeze([...write.exclusive]),
    sequence: identity === 'sequence',
    execute: options.execute as Contract['execute'],
    prepare: write?.prepare as Contract['prepare'],
    verify: write?.verify as Contract['verify'],
    compensate: write?.compensate as Contract['compensate'],
    parse: (input) => parseInput(name, options.input, input),
    identityOf: (input) => {
      if (write === undefined || identity === 'sequence') return undefined
      return identityAs(identity, input)
    },
    supersededIdentitiesOf: (input) =>
      superseded.flatMap((older) => {
        const past = pastIdentity(older.identity, input)
        return past === undefined ? [] : [{ major: older.version, identity: past, scope: older.scope }]
      }),
    bindingOf,
    occurrenceOf: (input) => (occurrenceField === undefined ? undefined : occurrenceFrom(name, occurrenceField, input)),
    amountOf: (input) => {
      const amount = amountField === undefined ? undefined : valueAt(input, amountField)
      return typeof amount === 'number' && Number.isFinite(amount) ? amount : undefined
    },
    pick: (input, fields) => fields.map((field) => valueAt(input, field) ?? null),
    describe: () => describeContract(contract, write),
  }
  return Object.freeze(contract)
}
