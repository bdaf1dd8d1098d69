import { DOUBT_REASONS, FAULT_POINTS } from '../../src/engine/index.ts'

/** What must have happened at least once over a long run: a path that was never taken was never tested. */

const TRANSITIONS = [
  'T0', 'T1', "T1'", 'T2', 'T3', 'T4', 'T5', 'T6', 'T7', 'T8', 'T9', 'T10', 'T11', 'T12', 'T13', 'T14', 'T15', 'T16', 'T17',
  'T18', 'T19', 'T20', 'T21', 'superseded', 'heartbeat', 'adopted', 'delivered',
] // prettier-ignore

/** No tool of the simulation sends without its key, or calls other parts when it runs again. */
const ABSENT: readonly string[] = ['no-key', 'diverged']
const REASONS = DOUBT_REASONS.filter((reason) => !ABSENT.includes(reason))

const CODES = [
  'KEY_MISSING',
  'KEY_INVALID',
  'KEY_REUSED',
  'IN_PROGRESS',
  'IN_DOUBT',
  'REJECTED',
  'RESULT_EXPIRED',
  'COMPENSATED',
  'STORE_UNAVAILABLE',
  'STORE_UNSAFE',
  'CONTRACT_INVALID',
  'CONTRACT_SUPERSEDED',
  'DIVERGED',
  'RECURSIVE_OPERATION',
  'HELD',
  'CANCELLED',
  'INPUT_INVALID',
  'CONFIG_INVALID',
]

const INCIDENTS = [
  'pause',
  'sleep',
  'store-clock',
  'wall-clock',
  'store-down',
  'store-frozen',
  'disk-full',
  'fail-over',
  'restore',
  'close',
]

/** What the engine cannot do yet, each with the reason; remove it here when it can. */
export const NOT_REACHED: Readonly<Record<string, string>> = {
  'transition:evidence': 'no part of the engine notes evidence but by a commit',
  'code:RETRY_BUDGET_EXHAUSTED': 'budgets are kept by ctx.fetch, and the tools here send without it',
}

export const SOMETIMES: readonly string[] = [
  ...TRANSITIONS.map((name) => `transition:${name}`),
  ...REASONS.map((name) => `reason:${name}`),
  ...CODES.map((name) => `code:${name}`),
  ...FAULT_POINTS.map((name) => `crash:at:${name}`),
  ...INCIDENTS.map((name) => `incident:${name}`),
  ...['well', 'refused', 'lost', 'slow', 'cut', 'tardy', 'answer-lost', 'silent', 'twice'].map(
    (name) => `network:${name}`,
  ),
  ...['well', 'refused', 'lost', 'answer-lost', 'late', 'twice'].map((name) => `store:${name}`),
  ...['committed', 'released', 'abandoned'].map((name) => `person:${name}`),
  ...[
    'committed',
    'committed joined',
    'committed replayed',
    'accepted',
    'in-doubt',
    'awaiting-input',
    'awaiting-input replayed',
  ].map((name) => `told:${name}`),
  ...['asked', 'answered', 'refused', 'acts before it asks'].map((name) => `round:${name}`),
  ...['committed', 'conflict', 'rolled back'].map((name) => `transaction:${name}`),
  'spooled',
  'drained',
  'undo',
].filter((what) => !Object.hasOwn(NOT_REACHED, what))

/** What of the list has not happened. */
export const missed = (coverage: Readonly<Record<string, number>>): readonly string[] =>
  SOMETIMES.filter((what) => (coverage[what] ?? 0) === 0)
