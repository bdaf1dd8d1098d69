import type { ContractDescription } from '../../contract/index.ts'
import { OPEN_STATES, recoversByItself, type Guard, type OperationRecord } from '../../engine/index.ts'
import { isOnefoldError } from '../../error/index.ts'
import type { ChaosOptions } from './options.ts'

/** What a settled process left. */
export interface Settlement {
  /** Operations that nobody settled, for people. */
  readonly doubts: readonly string[]
  /** True when a person settled something: the run is then worth another try. */
  readonly asked: boolean
  /** True when something still recovers by itself and time was up. */
  readonly unfinished: boolean
}

const LOOK_AGAIN_MS = 10

/**
 * Housekeeping until nothing recovers by itself any more, then the person, for what only a person can settle.
 * @param since what was recorded before, by the ledger's clock, was left by somebody else and is not looked at
 */
export async function settleGuards(
  guards: readonly Guard[],
  person: ChaosOptions['person'],
  withinMs: number,
  since = 0,
): Promise<Settlement> {
  const contracts = guards.flatMap((guard) => guard.contracts())
  const until = performance.now() + withinMs + Math.max(0, ...contracts.map(lookedUpAfterMs))
  const doubts = new Map<string, string>()
  let asked = false
  let unfinished = false
  for (const guard of guards) {
    for (;;) {
      await guard.internals.tick()
      const open = (await allOpen(guard)).filter(
        ({ tool, createdAt }) => createdAt >= since && tool !== 'exclusive' && !tool.startsWith('near:'),
      )
      const known = open.filter(({ tool }) => tool === 'once' || contracts.some(({ name }) => name === tool))
      const busy = known.filter((record) => record.state !== 'in-doubt' || recoversByItself(record, undefined))
      const left = known.filter((record) => !busy.includes(record))
      if (busy.length === 0 || performance.now() > until) {
        unfinished ||= busy.length > 0
        for (const record of [...left, ...busy]) {
          if (person === undefined || busy.includes(record)) doubts.set(record.key, doubtText(record))
          else {
            await settledBy(person, guard, record)
            asked = true
          }
        }
        break
      }
      await pause(LOOK_AGAIN_MS)
    }
  }
  return { doubts: [...doubts.values()], asked, unfinished }
}

/** A look-up counts only after its `settle`: what it leads to is seen only by who waits that long. */
const lookedUpAfterMs = ({ recovery }: ContractDescription): number => recovery?.settleMs ?? 0

/** All pages: a ledger that is kept over many runs may hold more doubts than one. */
async function allOpen(guard: Guard): Promise<readonly OperationRecord[]> {
  const records: OperationRecord[] = []
  let after: string | undefined
  do {
    const page = await guard.internals.operators.list({
      tenant: undefined,
      states: OPEN_STATES,
      ...(after === undefined ? {} : { after }),
    })
    records.push(...page.records)
    after = page.next
  } while (after !== undefined)
  return records
}

async function settledBy(
  person: NonNullable<ChaosOptions['person']>,
  guard: Guard,
  record: OperationRecord,
): Promise<void> {
  const verdict = (await person(record)) ? ('committed' as const) : ('released' as const)
  for (;;) {
    try {
      const word = { verdict, who: 'chaos', note: 'looked at the downstream' }
      await guard.internals.operators.resolve(record.key, word, record.tenant)
      return
    } catch (error) {
      if (!isOnefoldError(error) || error.code !== 'HELD' || error.retryAfterMs === undefined) throw error
      await pause(error.retryAfterMs + 1)
    }
  }
}

const doubtText = (record: OperationRecord): string =>
  `${record.tool} is ${record.state}${record.reason === undefined ? '' : ` (${record.reason})`}, recovery ${record.recovery}`

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
