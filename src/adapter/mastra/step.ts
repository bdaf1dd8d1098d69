import { knownOptions, type ToolContext } from '../../contract/index.ts'
import type { Guard } from '../../engine/index.ts'
import { assertGiven, bindContext, guardUnit, pausable, UNIT_NAMES, type UnitContract } from '../shared/index.ts'
import { noting, saidAgain, type Saying } from './said.ts'
import { isSuspended, noticingSuspend, roundOf, suspendedResult, type Context } from './suspend.ts'

/** A step's `execute`, as `createStep` of @mastra/core takes it. */
type Execute = (parameters: never) => Promise<unknown>

/** What this door reads of what a workflow hands to it. */
interface StepParameters extends Context, Saying {
  readonly inputData?: unknown
  readonly runId: string
}

type InputOf<Step extends Execute> =
  Parameters<Step> extends [{ readonly inputData: infer Input }, ...unknown[]] ? Input : unknown

/** What makes a step's effect happen once. */
export interface StepContract<Input> extends UnitContract {
  /**
   * What in the input makes two executions the same: then also another run of the workflow does it once.
   * @default the workflow's run and the whole input
   */
  readonly identity?: (input: Input) => unknown
}

/**
 * The `execute` of a workflow step whose effect happens once per run and input, or per `identity`: through `retries`, a
 * `retryConfig`, and a restart of the workflow. A repeat gives back what the step returned, and says to its workflow what
 * the step said: `setState`, `bail` and `abort`.
 * @throws OnefoldError CONTRACT_INVALID for a contract that contradicts itself, CONFIG_INVALID for one that is missing or
 * says what there is not
 */
export function protectStep<Step extends Execute>(
  guard: Guard,
  execute: Step,
  options: StepContract<InputOf<Step>>,
): Step {
  const takes = "the step's execute as its second argument"
  assertGiven('protectStep', typeof (execute as unknown) === 'function', takes, execute)
  const { identity, ...contract } = knownOptions('protectStep', options, { ...UNIT_NAMES, identity: true })
  const call = guardUnit(guard, 'protectStep', contract)
  const work = execute as unknown as (parameters: StepParameters) => Promise<unknown>
  const once = async (parameters: StepParameters): Promise<unknown> => {
    const { inputData, runId, abortSignal: signal } = parameters
    const of = identity === undefined ? ['run', runId, inputData ?? null] : ['input', identity(inputData as never)]
    let own: { readonly result: unknown } | undefined
    const run = (context: ToolContext): Promise<unknown> =>
      pausable(isSuspended, async () => {
        const { result, stored } = await noting(parameters, (noted) =>
          noticingSuspend(noted, (watched) => work(bindContext({ ...watched, abortSignal: context.signal }, context))),
        )
        own = { result }
        return stored
      })
    try {
      const { value } = await call(of, { signal, round: roundOf(parameters), execute: run })
      return own === undefined ? await saidAgain(value, parameters) : own.result
    } catch (error) {
      return suspendedResult(error)
    }
  }
  return once as unknown as Step
}
