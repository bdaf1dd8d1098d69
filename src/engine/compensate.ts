import { defineContract, manual, type AnyToolOptions, type Contract, type StandardSchemaV1 } from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'
import type { Core } from './core.ts'
import type { Performer, PerformOptions } from './engine.ts'
import { ticketOf } from './operation.ts'
import { unseal } from './outcome.ts'

/**
 * Undoes a committed operation (T21): `compensating` is recorded before the compensation's own marker, and the
 * compensation is an operation with its own key, so that it too happens once.
 * @throws OnefoldError HELD when the operation is not committed, and whatever the compensation's own operation throws
 */
export async function compensateOperation(
  core: Core,
  performer: Performer,
  contract: Contract,
  rawInput: unknown,
  options: PerformOptions,
): Promise<void> {
  const { compensate } = contract
  if (compensate === undefined)
    throw new OnefoldError('CONTRACT_INVALID', `${contract.name} declares no compensate. Nothing was undone.`)
  const input = await contract.parse(rawInput)
  const op = performer.name(contract, input, options)
  const who = core.processes.self
  const reading = await core.journal.read(op.key, op.tenant)
  if (reading.record?.state === 'compensated') return
  if (reading.record?.state !== 'compensating') {
    const begun = await core.journal.apply(op.key, op.tenant, reading, {
      type: 'compensate',
      nonce: core.ids.nonce(),
      who,
      leaseMs: core.settings.leaseMs,
    })
    if (!begun.applied) throw nothingToUndo(contract.name, op.key, begun.record?.state)
  }
  const outcome = reading.record?.outcome === undefined ? undefined : await unseal(reading.record.outcome, core.journal)
  const value = outcome?.found === true ? outcome.value : undefined
  await performer.perform(
    undoOf(contract),
    { key: op.key },
    { ...options, execute: (_input, context) => compensate(value, context) },
  )
  const current = await core.journal.read(op.key, op.tenant)
  await core.journal.apply(op.key, op.tenant, current, { type: 'compensated', who })
}

const keyOnly: StandardSchemaV1 = {
  '~standard': { version: 1, vendor: 'onefold', validate: (value: unknown) => ({ value }) },
}

function undoOf(contract: Contract): Contract {
  return defineContract({
    name: `${contract.name}.compensate`,
    input: keyOnly,
    effect: 'write',
    identity: 'all',
    recovery: manual(),
    execute: () => undefined,
  } as unknown as AnyToolOptions)
}

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
