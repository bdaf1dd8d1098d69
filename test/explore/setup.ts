import type { RecoveryClass } from '../../src/contract/types.ts'

/** One configuration to explore: a recovery class, how many actors, and which parts of the protocol take part. */
export interface Setup {
  readonly name: string
  readonly recovery: RecoveryClass
  /** The class can ask the downstream. */
  readonly probe: boolean
  /** Every send passes a checkpoint; without it a paused owner may send at any time later. */
  readonly checked: boolean
  readonly workers: number
  /** Requests of dead senders that may travel at once. */
  readonly orphans: number
  /** T19. */
  readonly rounds: boolean
  /** T20. */
  readonly accepts: boolean
  /** T21. */
  readonly compensation: boolean
  /** T17. */
  readonly retention: boolean
  readonly spool: boolean
  /** Records may be lost, or a backup restored, once; the mark is set with it (T0). */
  readonly amnesia: boolean
}

const base = {
  probe: false,
  checked: true,
  workers: 2,
  orphans: 2,
  rounds: true,
  accepts: true,
  compensation: true,
  retention: true,
  spool: true,
  amnesia: false,
} as const

const lost = {
  ...base,
  orphans: 1,
  amnesia: true,
  retention: false,
  rounds: false,
  accepts: false,
  compensation: false,
} as const
const unchecked = { ...base, checked: false, probe: true, rounds: false, accepts: false, compensation: false } as const

/** Every configuration that `npm run explore` runs, small ones first. */
export const SETUPS: readonly Setup[] = [
  { ...base, name: 'transactional', recovery: 'transactional', workers: 4 },
  { ...base, name: 'manual', recovery: 'manual', workers: 3 },
  { ...base, name: 'probe', recovery: 'probe', probe: true, workers: 3 },
  { ...base, name: 'keyed', recovery: 'keyed' },
  { ...base, name: 'keyed+probe', recovery: 'keyed', probe: true },
  { ...base, name: 'idempotent', recovery: 'idempotent' },
  { ...base, name: 'composite', recovery: 'composite' },
  { ...unchecked, name: 'probe, unchecked sends', recovery: 'probe', workers: 3 },
  { ...unchecked, name: 'keyed+probe, unchecked sends', recovery: 'keyed' },
  { ...lost, name: 'manual, records lost', recovery: 'manual' },
  { ...lost, name: 'probe, records lost', recovery: 'probe', probe: true },
  { ...lost, name: 'keyed, records lost', recovery: 'keyed', spool: false },
]

/** A configuration small enough for a mutant to be found in seconds. */
export function small(name: string): Setup {
  const setup = SETUPS.find((candidate) => candidate.name === name)
  if (setup === undefined) throw new Error(`no setup named ${name}`)
  return { ...setup, workers: 2 }
}
