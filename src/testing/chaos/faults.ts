/** Where a run can be disturbed: what calls a tool, a tool's requests, the model, the ledger's writes, the run itself. */
export type SiteKind = 'http' | 'model' | 'run' | 'store' | 'tool'

/** What can go wrong at a site. */
export type FaultName =
  | 'crash-after'
  | 'crash-before'
  | 'delay'
  | 'duplicate'
  | 'error-after'
  | 'error-before'
  | 'lost-answer'
  | 'lost-request'
  | 'pause'
  | 'reset-mid-body'

/** A fault at the nth time that a site is reached: `tool refund #1`. */
export interface PlannedFault {
  readonly site: string
  readonly fault: FaultName
}

const CALL = [
  'delay',
  'lost-request',
  'lost-answer',
  'error-before',
  'error-after',
  'crash-before',
  'crash-after',
] as const

/**
 * The faults that are tried at each kind of site. Duplicate delivery belongs to the boundary that the ledger stands at:
 * below it, only a downstream that honours keys can tell a repeated request from a second one.
 */
export const FAULTS_OF: Readonly<Record<SiteKind, readonly FaultName[]>> = {
  http: [...CALL, 'reset-mid-body'],
  model: [...CALL, 'duplicate'],
  run: ['lost-answer', 'duplicate', 'crash-after'],
  store: ['pause', 'crash-before', 'crash-after'],
  tool: [...CALL, 'duplicate'],
}

/** What a fault is, for people. */
export const MEANING: Readonly<Record<FaultName, string>> = {
  'crash-after': 'the process dies after it was done and before anything could be noted',
  'crash-before': 'the process dies right before it',
  delay: 'it is done, but the answer comes after the caller has given up and called again',
  duplicate: 'delivered twice, at once',
  'error-after': 'done, then answered 503',
  'error-before': 'answered 503, nothing done',
  'lost-answer': 'done, but the answer is lost',
  'lost-request': 'the request is lost, nothing done',
  pause: 'the ledger does not answer for a while',
  'reset-mid-body': 'done, but the connection breaks in the middle of the answer',
}

export const kindOf = (site: string): SiteKind => site.slice(0, site.indexOf(' ')) as SiteKind

export const showFaults = (faults: readonly PlannedFault[]): string =>
  faults.length === 0 ? 'no fault' : faults.map(({ site, fault }) => `${site}: ${fault}`).join(' + ')
