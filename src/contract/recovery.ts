import { OnefoldError } from '../error/index.ts'
import { parseDuration } from './duration.ts'
import { knownOptions, type NamesOf } from './known-options.ts'
import type {
  CompositeRecovery,
  Duration,
  IdempotentRecovery,
  KeyedRecovery,
  ManualRecovery,
  ProbeFunction,
  ProbeRecovery,
  TransactionalRecovery,
} from './types.ts'

function demandFunction(value: unknown, what: string, fix: string): void {
  if (typeof value === 'function') return
  throw new OnefoldError('CONTRACT_INVALID', `${what} must be a function: ${fix}. Nothing was registered.`)
}

interface Probing<Input, Output> {
  readonly probe?: ProbeFunction<Input, Output>
  readonly settle?: Duration
}

const PROBING: NamesOf<Probing<never, never>> = { probe: true, settle: true }

/** `keyed` without a probe fits a tool of any input and output. */
export type KeyedWithoutProbe = Omit<KeyedRecovery, 'probe'>

/**
 * The downstream honours our key for `window` after the first send: an unknown outcome is settled by sending again
 * with the same key. With a `probe`, that is asked where the window has closed, or a key cannot settle it; its "not found"
 * counts only `settle` (none by default) after the last send could land.
 * @throws OnefoldError CONTRACT_INVALID for a window that is not a positive duration, CONFIG_INVALID for an unknown option
 */
export function keyed(window: Duration): KeyedWithoutProbe
export function keyed<Input, Output>(
  window: Duration,
  options: { readonly probe: ProbeFunction<Input, Output>; readonly settle?: Duration },
): KeyedRecovery<Input, Output>
export function keyed<Input, Output>(window: Duration, options?: Probing<Input, Output>): KeyedRecovery<Input, Output> {
  if (options !== undefined) knownOptions('keyed()', options, PROBING)
  const windowMs = parseDuration(window, 'the window of keyed()')
  if (windowMs === 0) {
    throw new OnefoldError(
      'CONTRACT_INVALID',
      "the window of keyed() cannot be 0: write how long the provider honours a key, as '24h'. Nothing was registered.",
    )
  }
  const settleMs = options?.settle === undefined ? 0 : parseDuration(options.settle, 'settle of keyed()')
  if (options?.probe === undefined) return Object.freeze({ class: 'keyed', windowMs, settleMs })
  demandFunction(options.probe, 'probe of keyed()', "keyed('24h', { probe: (input, context) => … })")
  return Object.freeze({ class: 'keyed', windowMs, settleMs, probe: options.probe })
}

/**
 * Ask the downstream whether the effect exists. Its "not found" counts only `settle` after the last send could
 * land: how long the downstream's own reads may lag behind its writes.
 * @throws OnefoldError CONTRACT_INVALID for a missing function or settle
 */
export function probe<Input, Output>(
  ask: ProbeFunction<Input, Output>,
  options: { readonly settle: Duration },
): ProbeRecovery<Input, Output> {
  demandFunction(ask, 'the first argument of probe()', "probe((input, context) => …, { settle: '5s' })")
  const settle: unknown = (options as { readonly settle?: Duration } | undefined)?.settle
  if (settle === undefined) {
    throw new OnefoldError(
      'CONTRACT_INVALID',
      "probe() needs settle: how long the downstream's reads may lag behind its writes, as { settle: '5s' }. " +
        'Nothing was registered.',
    )
  }
  return Object.freeze({ class: 'probe', probe: ask, settleMs: parseDuration(settle as string, 'settle of probe()') })
}

/** Effect and record commit in one database transaction that the engine begins and commits. */
export function transactional(): TransactionalRecovery {
  return Object.freeze({ class: 'transactional' })
}

/**
 * Applying again is harmless while `precondition` answers true (a version, an If-Match).
 * @throws OnefoldError CONTRACT_INVALID for a missing precondition
 */
export function idempotent<Input>(options: {
  readonly precondition: IdempotentRecovery<Input>['precondition']
}): IdempotentRecovery<Input> {
  const precondition: unknown = (options as Partial<typeof options> | undefined)?.precondition
  demandFunction(
    precondition,
    'precondition of idempotent()',
    'idempotent({ precondition: async (input) => (await load(input.id)).version === input.version })',
  )
  return Object.freeze({ class: 'idempotent', precondition: options.precondition })
}

/** A person decides what became of an unknown outcome. */
export function manual(): ManualRecovery {
  return Object.freeze({ class: 'manual' })
}

/** Every child is protected; the parent runs again and its children replay. */
export function composite(): CompositeRecovery {
  return Object.freeze({ class: 'composite' })
}
