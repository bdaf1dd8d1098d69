import type { Contract } from '../contract/index.ts'
import { cancelled } from './answers.ts'
import { newAttempt, contextOf } from './attempt.ts'
import type { Core } from './core.ts'
import { namelessOperation } from './operation.ts'
import type { ActiveRun } from './run.ts'
import { provisional, type Outcome } from './told.ts'
import type { PerformOptions } from './engine.ts'

/** A read is never ledgered and may be repeated freely (AG-8). */
export async function readThrough(
  core: Core,
  contract: Contract,
  input: unknown,
  options: PerformOptions,
  run: ActiveRun | undefined,
): Promise<Outcome> {
  const op = namelessOperation(core.naming, contract, input, run, core.ids.nonce())
  const { signal } = options
  if (signal?.aborted === true) throw cancelled(contract.name, '', false)
  const attempt = newAttempt(op, '', provisional({ op }), 0, Infinity, 0)
  // Not by listening: a signal may outlive thousands of reads, and what a read gave may still go by it when it has ended.
  const controller = signal && { signal: AbortSignal.any([signal]), abort: () => undefined }
  const heard = controller === undefined ? attempt : { ...attempt, controller }
  const execute = options.execute ?? ((value, context) => contract.execute(value, context))
  const value = await execute(input, contextOf(heard, core.clock, run, core.makeFetch))
  return {
    status: 'committed',
    value,
    error: undefined,
    replayed: false,
    joined: false,
    key: '',
    ticket: '',
    attempts: 1,
    recorded: false,
    notice: undefined,
    missing: undefined,
    record: undefined,
  }
}
