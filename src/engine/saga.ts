import {
  anySchema,
  composite,
  defineContract,
  idempotent,
  knownOptions,
  type AnyToolOptions,
  type Contract,
  type Duration,
  type NamesOf,
  type StandardSchemaV1,
} from '../contract/index.ts'
import { OnefoldError, isOnefoldError } from '../error/index.ts'
import { parseJson } from '../key/index.ts'
import { assertDone, compensateBy, declaredUndo } from './compensate.ts'
import type { Core } from './core.ts'
import type { Performer } from './engine.ts'
import type { ProtectedTool } from './guard-types.ts'
import { standing } from './older.ts'
import type { Operation } from './operation.ts'
import { unseal } from './outcome.ts'
import { currentFrame, type OperationFrame } from './run.ts'

/** What the steps before have answered, by step name. */
export type SagaResults = Readonly<Record<string, unknown>>

/** The undo of a step: a protected tool with a contract of its own. */
export interface SagaUndo<Input> {
  readonly tool: ProtectedTool<never, unknown>
  /** Its input; `results` holds what this step and those before it answered. */
  readonly input: (input: Input, results: SagaResults) => unknown
}

/** One step of a saga: a call of a protected tool, and how it is undone. */
export interface SagaStep<Input> {
  /** Unique in the saga. @default the tool's name */
  readonly name?: string
  readonly tool: ProtectedTool<never, unknown>
  /** Its input, from the saga's own and from earlier answers alone: it is computed again after a crash. */
  readonly input: (input: Input, results: SagaResults) => unknown
  /**
   * How it is undone: a tool; `compensate` for the one that the tool's own contract declares; `none` for what needs or
   * knows no undo. Every step but the last has to say. @default 'compensate' where the contract declares it
   */
  readonly undo?: SagaUndo<Input> | 'compensate' | 'none'
}

export interface SagaOptions<Input> {
  /** @default everything is accepted */
  readonly input?: StandardSchemaV1<unknown, Input>
  /** Input fields that make two sagas the same. @default 'all' */
  readonly identity?: readonly [string, ...string[]] | 'all'
  readonly ignore?: readonly string[]
  readonly version?: number
  readonly retention?: Duration
  /** How long one execution is waited for. @default '5m' */
  readonly timeout?: Duration
}

const OPTIONS: NamesOf<SagaOptions<never>> = {
  input: true,
  identity: true,
  ignore: true,
  version: 'number',
  retention: true,
  timeout: true,
}
const STEP: NamesOf<SagaStep<never>> = { name: true, tool: true, input: true, undo: true }
const UNDO: NamesOf<SagaUndo<never>> = { tool: true, input: true }

/** How a saga ended: every step done, or every done step undone. */
export type SagaEnd =
  | { readonly status: 'done'; readonly results: SagaResults }
  | { readonly status: 'undone'; readonly results: SagaResults; readonly failed: string; readonly why: string }

/** Contracts of sagas, whose values may mean that nothing is done. */
const sagas = new WeakSet<Contract>()

type Undone = Extract<SagaEnd, { status: 'undone' }>

const isUndone = (tool: ProtectedTool<never, unknown>, value: unknown): value is Undone =>
  sagas.has(tool.contract) && (value as SagaEnd | undefined)?.status === 'undone'

interface Verdict {
  readonly failed: number
  readonly why: string
}

/** A failure that no repeat will change: nothing happened, and nothing will. Anything else is tried again. */
const FINAL_CODES: readonly string[] = ['INPUT_INVALID', 'COMPENSATED', 'KEY_MISSING', 'KEY_INVALID']

/**
 * The contract of a saga. It runs forward step by step; when one is refused for good, that is recorded, and what was done
 * is undone in reverse. Each step and each undo is an operation of its own, so a crash at any point goes on from there.
 * @throws OnefoldError CONTRACT_INVALID, CONFIG_INVALID for an option that there is not
 */
export function sagaContract<Input>(
  core: Core,
  performer: Performer,
  name: string,
  steps: readonly SagaStep<Input>[],
  options: SagaOptions<Input>,
): Contract {
  knownOptions(`Saga ${name}`, options, OPTIONS)
  const named = steps.map((step) => ({ ...step, name: step.name ?? step.tool.contract.name }))
  checkSteps(name, named)
  async function execute(input: unknown): Promise<SagaEnd> {
    const saga = currentFrame() as OperationFrame
    const given = input as Input
    const results: Record<string, unknown> = {}
    const verdict = (await recordedVerdict(saga)) ?? (await forward(saga, given, results))
    if (verdict === undefined) return { status: 'done', results }
    await backward(saga, given, verdict)
    // A saga whose steps changed since has parts that diverge, and comes no further than its verdict.
    const failed = (named[verdict.failed] as (typeof named)[number]).name
    return { status: 'undone', results: {}, failed, why: verdict.why }
  }

  /** Undefined when every step is done. */
  async function forward(
    saga: OperationFrame,
    input: Input,
    results: Record<string, unknown>,
  ): Promise<Verdict | undefined> {
    for (const [at, step] of named.entries()) {
      let stepInput: unknown
      try {
        stepInput = step.input(input, results)
      } catch (error) {
        return await decide(saga, at, error)
      }
      saga.nextChild = at
      try {
        const outcome = await step.tool.perform(stepInput as never)
        assertDone(step.name, outcome)
        // A saga that is a step and was undone has done nothing that the next step could build on.
        if (isUndone(step.tool, outcome.value)) return await decide(saga, at, new Error(outcome.value.why))
        results[step.name] = outcome.value
      } catch (error) {
        if (!isFinal(error)) throw error
        return await decide(saga, at, error)
      }
    }
    return undefined
  }

  /** Records, once, that this saga is to be undone; from then on it never runs forward again. */
  async function decide(saga: OperationFrame, failed: number, error: unknown): Promise<Verdict> {
    const why = error instanceof Error ? error.message : String(error)
    saga.nextChild = named.length
    const outcome = await performer.perform(verdicts, { saga: saga.key, failed, why })
    return outcome.value as Verdict
  }

  async function recordedVerdict(saga: OperationFrame): Promise<Verdict | undefined> {
    const { record } = (await standing(core, performer.name(verdicts, { saga: saga.key }))).reading
    if (record === undefined || record.state === 'released') return undefined
    saga.nextChild = named.length
    // One that has expired says no more how far to undo, but still that the saga never runs forward: RESULT_EXPIRED.
    const given = record.input === undefined ? { saga: saga.key } : parseJson(record.input)
    const outcome = await performer.perform(verdicts, given)
    return outcome.value as Verdict
  }

  async function backward(saga: OperationFrame, input: Input, { failed }: Verdict): Promise<void> {
    const results: Record<string, unknown> = {}
    const done: { readonly at: number; readonly op: Operation; readonly seen: SagaResults }[] = []
    for (const [at, step] of named.slice(0, failed).entries()) {
      const stepInput = step.input(input, results)
      saga.nextChild = at
      if (step.tool.contract.effect === 'read') {
        results[step.name] = (await step.tool.perform(stepInput as never)).value
        continue
      }
      const asked = performer.name(step.tool.contract, await step.tool.contract.parse(stepInput))
      const { op, reading } = await standing(core, asked)
      const { record } = reading
      const outcome = record?.outcome === undefined ? undefined : await unseal(record.outcome, record, core.journal)
      results[step.name] = outcome?.found === true ? outcome.value : undefined
      // What another saga, or a call of its own, had done already was only replayed to this one, and is theirs to undo.
      if (record === undefined || record.parent?.key === saga.key) done.push({ at, op, seen: { ...results } })
    }
    for (const { at, op, seen } of done.toReversed()) {
      const step = named[at] as (typeof named)[number]
      const undo = step.undo ?? 'compensate'
      if (undo === 'none') continue
      saga.nextChild = named.length + 1 + at
      await compensateBy(core, op, async (value, key) => {
        if (undo === 'compensate') await declaredUndo(performer, step.tool.contract, key, value, {})
        else {
          const what = `The undo of ${step.name}`
          const outcome = await undo.tool.perform(undo.input(input, seen) as never)
          assertDone(what, outcome)
          if (isUndone(undo.tool, outcome.value)) throw undoUndone(what, outcome.value)
        }
      })
    }
  }

  const contract = defineContract({
    name,
    input: options.input ?? anySchema,
    effect: 'write',
    identity: options.identity ?? 'all',
    ...(options.ignore === undefined ? {} : { ignore: options.ignore }),
    ...(options.version === undefined ? {} : { version: options.version }),
    ...(options.retention === undefined ? {} : { retention: options.retention }),
    timeout: options.timeout ?? '5m',
    recovery: composite(),
    execute,
  } as unknown as AnyToolOptions)
  sagas.add(contract)
  const verdicts = verdictContract(contract)
  core.contracts.set(verdicts.name, verdicts)
  return contract
}

/**
 * Steps of the form that they should have. A saga whose step has no input, or whose undo is a word that there is not,
 * would run forward, and fail where it has to be undone.
 * @throws OnefoldError CONTRACT_INVALID, CONFIG_INVALID for an option that there is not
 */
export function knownSteps<Input>(saga: string, steps: readonly SagaStep<Input>[]): readonly SagaStep<Input>[] {
  if (!Array.isArray(steps as unknown)) throw invalid(`Saga ${saga} has no list of steps.`)
  for (const [at, step] of steps.entries()) {
    const of = `Step ${step.name ?? nameOf(step.tool) ?? at + 1} of saga ${saga}`
    knownOptions(of, step, STEP)
    const { undo } = step
    assertCall(of, step)
    if (undo === undefined || undo === 'none' || undo === 'compensate') continue
    if (typeof undo !== 'object')
      throw invalid(
        `${of} cannot be undone by ${JSON.stringify(undo)}. Give undo: { tool, input }, 'compensate' or 'none'.`,
      )
    knownOptions(`The undo of ${of.replace('Step', 'step')}`, undo, UNDO)
    assertCall(`The undo of ${of.replace('Step', 'step')}`, undo)
  }
  return steps
}

function assertCall(of: string, { tool, input }: { readonly tool: unknown; readonly input: unknown }): void {
  if (nameOf(tool) === undefined)
    throw invalid(`${of} has no protected tool. Give tool: one that guard.tool has returned.`)
  if (typeof input !== 'function') throw invalid(`${of} has no input. Give input: (input, results) => ….`)
}

const nameOf = (tool: unknown): string | undefined =>
  (tool as ProtectedTool<never, unknown> | undefined)?.contract?.name

function checkSteps<Input>(saga: string, steps: readonly (SagaStep<Input> & { readonly name: string })[]): void {
  if (steps.length === 0) throw invalid(`Saga ${saga} has no steps.`)
  const names = new Set<string>()
  for (const [at, step] of steps.entries()) {
    if (names.has(step.name)) throw invalid(`Saga ${saga} has two steps called ${step.name}: name one of them.`)
    names.add(step.name)
    const { contract } = step.tool
    if (step.undo === 'compensate' && contract.compensate === undefined)
      throw invalid(
        `Step ${step.name} of saga ${saga} is undone by compensate, which ${contract.name} does not declare.`,
      )
    const isLast = at === steps.length - 1
    if (contract.sequence && !isLast)
      throw invalid(
        `Step ${step.name} of saga ${saga} is named by its place in its run (identity: 'sequence'), so it could not be found again to be undone.`,
      )
    if (isLast || contract.effect === 'read' || step.undo !== undefined || contract.compensate !== undefined) continue
    throw invalid(
      `Step ${step.name} of saga ${saga} says not how it is undone. Give undo: { tool, input }, or undo: 'none' where nothing has to be.`,
    )
  }
}

const verdictContract = ({ name, retentionMs }: Contract): Contract =>
  defineContract(
    {
      name: `${name}.undo`,
      input: anySchema,
      effect: 'write',
      identity: ['saga'],
      recovery: idempotent({ precondition: () => true }),
      execute: ({ failed, why }: Verdict) => ({ failed, why }),
    } as unknown as AnyToolOptions,
    { retentionMs },
  )

const isFinal = (error: unknown): boolean =>
  isOnefoldError(error) &&
  // What KEY_REUSED tells of is another call's effect; this one started none.
  (error.code === 'KEY_REUSED' ||
    (error.effect === 'none' && ((error.code === 'REJECTED' && !error.retryable) || FINAL_CODES.includes(error.code))))

const undoUndone = (what: string, { failed, why }: Undone): OnefoldError =>
  new OnefoldError('REJECTED', `${what} was itself undone, since ${failed} was refused: ${why}`, { effect: 'none' })

const invalid = (message: string): OnefoldError =>
  new OnefoldError('CONTRACT_INVALID', `${message} Nothing was registered.`)
