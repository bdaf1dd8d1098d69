import type { Contract } from '../contract/index.ts'
import type { Core } from './core.ts'
import { withinDeadline } from './execute.ts'
import type { OperationRecord } from './record.ts'
import { runOfRecord, withFrame } from './run.ts'

/**
 * What a function that only asks (probe, precondition, verify) answers within the tool's time-out. The signal that it is
 * given aborts with `signal`, and with the time-out; one that takes no notice is left behind, since it changes nothing.
 * It asks in the run of the record, whoever makes it ask.
 * @throws what the function throws, or an Error with the code ETIMEDOUT
 */
export async function inquire<T>(
  core: Core,
  contract: Pick<Contract, 'timeoutMs'>,
  record: OperationRecord,
  options: { readonly signal?: AbortSignal; readonly background: boolean },
  ask: (signal: AbortSignal) => T | Promise<T>,
): Promise<T> {
  const late = new AbortController()
  const signal = options.signal === undefined ? late.signal : AbortSignal.any([options.signal, late.signal])
  const asked = async (): Promise<T> => await withFrame(runOfRecord(record), undefined, () => ask(signal))
  const answer = await withinDeadline(core, contract, asked(), options.background)
  if (answer.kind === 'value') return answer.value
  if (answer.kind === 'error') throw answer.error
  late.abort()
  throw Object.assign(new Error(`no answer within ${contract.timeoutMs} ms`), { code: 'ETIMEDOUT' })
}
