import { knownOptions, withDefaults, type NamesOf } from '../contract/index.ts'
import { keepNewest, type SendPort } from '../engine/index.ts'
import { OnefoldError } from '../error/index.ts'
import { isRead, type LogicalRequest } from './lines.ts'

/** How many physical attempts beyond the first ones may be made. Reads are not counted: they retry freely. */
export interface RetryBudget {
  /** Retries that one call of a tool may cause, over all its requests. @default 5 */
  readonly call?: number
  /** Retries that one run may cause in this process, over all its calls. @default 50 */
  readonly run?: number
}

/** Enough for one SDK's own retries; a 3 × 3 storm of nine attempts ends after six. */
export const DEFAULT_BUDGET: Required<RetryBudget> = { call: 5, run: 50 }

const NAMES: NamesOf<RetryBudget> = { call: 'number', run: 'number' }

/** @throws OnefoldError CONFIG_INVALID for what is no budget */
export const checkedBudget = (budget: RetryBudget): RetryBudget => knownOptions('The retry budget', budget, NAMES)

/** Who pays for an attempt. */
export type Payer = Pick<SendPort, 'tool' | 'tenant' | 'run'> & Partial<Pick<SendPort, 'lineage'>>

/** Runs whose retries are remembered; the least recently seen goes first. */
const MOST_RUNS = 10_000

const ofCalls = new WeakMap<Payer, number>()
const ofRuns = new Map<string, number>()

/** The refusal of one more attempt, when it would be a retry of a write that no budget covers. */
export function overBudget(
  payer: Payer,
  request: LogicalRequest,
  budget: RetryBudget,
  what: string,
): OnefoldError | undefined {
  if (request.attempts === 0 || request.isHop || isRead(request.operation)) return undefined
  const limit = withDefaults(DEFAULT_BUDGET, budget)
  if (retriesOf(payer) >= limit.call)
    return exhausted(payer, request, `this call may cause ${limit.call} retries`, what)
  const run = runOf(payer)
  if (run !== undefined && (ofRuns.get(run) ?? 0) >= limit.run) {
    return exhausted(payer, request, `its run may cause ${limit.run} retries`, what)
  }
  return undefined
}

/** Counts one more physical attempt of a request. */
export function spend(payer: Payer, request: LogicalRequest): void {
  request.attempts += 1
  if (request.attempts === 1 || request.isHop || isRead(request.operation)) return
  ofCalls.set(payer, retriesOf(payer) + 1)
  const run = runOf(payer)
  if (run !== undefined) keepNewest(ofRuns, run, (ofRuns.get(run) ?? 0) + 1, MOST_RUNS)
}

/** Two tenants may name their runs alike. */
const runOf = ({ tenant, run }: Payer): string | undefined =>
  run === undefined ? undefined : JSON.stringify([tenant, run])
const retriesOf = (payer: Payer): number => ofCalls.get(payer) ?? 0

/** Some services take their key in the path (bots, incoming webhooks): long parts of one are not told. */
const toldOf = ({ operation }: LogicalRequest): string => operation.replaceAll(/[^/ ]{20,}/g, '…')

const exhausted = (payer: Payer, request: LogicalRequest, limit: string, what: string): OnefoldError =>
  new OnefoldError(
    'RETRY_BUDGET_EXHAUSTED',
    `${payer.tool}: attempt ${request.attempts + 1} of ${toldOf(request)} (${what}) was not sent: ${limit}. What earlier attempts did stands in the operation’s record. Turn off the inner retries, or raise the budget.`,
    {
      effect: 'none',
      details: { tool: payer.tool, run: payer.run, operation: toldOf(request), attempts: request.attempts },
    },
  )
