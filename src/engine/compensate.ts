import { anySchema, defineContract, manual, type AnyToolOptions, type Contract } from '../contract/index.ts'
import { OnefoldError, isOnefoldError, isStoreUnavailable } from '../error/index.ts'
import { assertTaking, type Core } from './core.ts'
import type { Performer, PerformOptions } from './engine.ts'
import { standing } from './older.ts'
import { nameOperation, ticketOf, type Operation } from './operation.ts'
import type { OperationRecord } from './record.ts'
import { currentFrame, newRun } from './run.ts'
import { unseal } from './outcome.ts'
import type { Outcome } from './told.ts'

/**
 * Undoes a committed operation by the `compensate` of its contract. Which one is read before anything is waited for, since
 * its caller may change its input.
 * @param open what it waits for before it touches the ledger
 * @throws OnefoldError HELD when the operation is not committed, and whatever the compensation's own operation throws
 */
export async function compensateOperation(
  core: Core,
  performer: Performer,
  contract: Contract,
  rawInput: unknown,
  options: PerformOptions,
  open: () => Promise<void>,
): Promise<void> {
  if (contract.compensate === undefined)
    throw new OnefoldError('CONTRACT_INVALID', `${contract.name} declares no compensate. Nothing was undone.`)
  const parsed = contract.parse(rawInput)
  assertTaking(core, currentFrame())
  const op = performer.name(contract, parsed instanceof Promise ? await parsed : parsed, options)
  await open()
  await compensateBy(core, op, (value, key) => declaredUndo(performer, contract, key, value, options))
}

/** The compensation that the contract itself declares: an operation with its own key, settled by a person. */
export async function declaredUndo(
  performer: Performer,
  contract: Contract,
  key: string,
  value: unknown,
  options: PerformOptions,
): Promise<void> {
  const outcome = await performer.perform(
    undoOf(contract),
    { key },
    {
      ...options,
      undoes: key,
      // A doubt that came back as an outcome would be taken for an undo that is done.
      onDoubt: options.onDoubt === 'wait' ? 'wait' : 'throw',
      execute: (_input, context) => contract.compensate?.(value, context),
    },
  )
  assertDone(`The undo of ${contract.name}`, outcome)
}

/**
 * Passes only what is done: a yes to doing it later may come to nothing, and a question is no answer to go on with.
 * @throws OnefoldError IN_PROGRESS
 */
export function assertDone(what: string, { status, key }: Pick<Outcome, 'status' | 'key'>): void {
  if (status === 'committed') return
  const why = status === 'accepted' ? 'is accepted, not yet confirmed' : 'has asked a question'
  throw new OnefoldError('IN_PROGRESS', `${what} ${why}. What depends on it goes on when it is done.`, {
    effect: 'unknown',
    retryable: true,
    key,
    ticket: ticketOf(key),
  })
}

/**
 * T21: `compensating` is recorded before the compensation's own marker, and `undo` performs the compensation as an
 * operation with its own key, so that it too happens once. Called again, it goes on where it was.
 * @throws OnefoldError HELD when the operation is not committed, and whatever `undo` throws
 */
export async function compensateBy(
  core: Core,
  wanted: Operation,
  undo: (value: unknown, key: string) => Promise<void>,
): Promise<void> {
  const who = core.processes.self
  const { op, reading } = await standing(core, wanted)
  // Before anything is recorded: an undo that cannot read what it undoes is not begun.
  const done = reading.record
  const outcome = done?.outcome === undefined ? undefined : await unseal(done.outcome, done, core.journal)
  const { record } = await core.journal.apply(op.key, op.tenant, reading, {
    type: 'compensate',
    nonce: core.ids.nonce(),
    who,
    leaseMs: core.settings.leaseMs,
  })
  // Whoever began it, here or elsewhere: the compensation's own key makes it one.
  if (record?.state === 'compensated') return
  if (record?.state !== 'compensating') throw nothingToUndo(op.contract.name, op.key, record?.state)
  try {
    await undo(outcome?.found === true ? outcome.value : undefined, op.key)
  } catch (error) {
    // Done, and so long ago that only this is remembered of it.
    if (!isOnefoldError(error) || error.code !== 'RESULT_EXPIRED' || error.effect !== 'done') throw error
  }
  try {
    const current = await core.journal.read(op.key, op.tenant)
    await core.journal.apply(op.key, op.tenant, current, { type: 'compensated', who })
  } catch (error) {
    throw isStoreUnavailable(error) ? undoNotRecorded(op, error) : error
  }
}

/** The compensation that a record's own contract declares, whether it is registered here or not. */
export function nameUndo(
  core: Core,
  { key, tool, tenant, retentionMs }: OperationRecord,
  occurrence: number,
): Operation {
  const run = newRun({ id: key, tenant, session: undefined, unanchored: false, mintedUnder: 0 })
  return nameOperation(
    core.naming,
    undoOf({ name: tool, retentionMs }),
    { key },
    { occurrence },
    run,
    undefined,
    undefined,
  )
}

/** A contract's name has at most 128 characters. What is undone is in the identity: two names may become one. */
const LONGEST_BEFORE = 128 - '.compensate'.length

function undoOf({ name, retentionMs }: Pick<Contract, 'name' | 'retentionMs'>): Contract {
  return defineContract(
    {
      name: `${name.slice(0, LONGEST_BEFORE)}.compensate`,
      input: anySchema,
      effect: 'write',
      identity: 'all',
      recovery: manual(),
      execute: () => undefined,
    } as unknown as AnyToolOptions,
    { retentionMs },
  )
}

const undoNotRecorded = (op: Operation, cause: OnefoldError): OnefoldError =>
  new OnefoldError(
    'STORE_UNAVAILABLE',
    `${op.contract.name} was undone, and the ledger could not be told. It is safe to undo it again: nothing is done twice.`,
    { effect: 'unknown', retryable: true, retryAfterMs: 1000, key: op.key, ticket: ticketOf(op.key), cause },
  )

const nothingToUndo = (tool: string, key: string, state: string | undefined): OnefoldError =>
  new OnefoldError(
    'HELD',
    `${tool} is ${state ?? 'not recorded'}, not committed: there is nothing to undo, and nothing was done.`,
    {
      effect: 'none',
      key,
      ticket: ticketOf(key),
    },
  )
