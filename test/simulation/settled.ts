import type { OperationRecord, SpoolEntry } from '../../src/engine/index.ts'
import type { Want } from './agent.ts'
import { demand } from './oracle.ts'
import { isForPeople, stillActs } from './people.ts'
import type { World } from './world.ts'

const ENDED = ['committed', 'rejected', 'released', 'compensated', 'abandoned', 'expired', 'superseded']

const isAid = (record: OperationRecord): boolean => record.tool === 'exclusive' || record.tool.startsWith('near:')

/** Why the world is not settled yet; undefined when every operation has ended or is a doubt that somebody owns. */
export function unsettled(world: World): string | undefined {
  if (world.downstream.underWay > 0) return 'requests are under way'
  for (const { record } of world.truth.rows.values()) {
    if (isAid(record) || ENDED.includes(record.state) || isOwned(world, record)) continue
    return `${record.tool} is still ${record.state} (${record.reason ?? ''}, recoveries ${record.recoveries}, ${record.evidence.at(-1)?.what ?? 'no evidence'})`
  }
  // What the ledger knows nothing of waits for a month: it may be another ledger's, or lost here.
  const isKnown = ({ key, tenant }: SpoolEntry): boolean => world.truth.rows.has(`${tenant}|${key}`)
  for (const host of world.hosts)
    if (host.spool.entries.some(isKnown) && world.engines.some(({ process }) => process.host === host))
      return 'the spool is not empty'
  return undefined
}

/** A doubt that cannot be settled without a person, or not before the world has changed. */
function isOwned(world: World, record: OperationRecord): boolean {
  const { plan } = world
  if (record.state === 'compensating') return true
  // A composite operation runs again and again while one of its parts waits for somebody.
  // One whose parts were recorded with other inputs before the store lost the parent can never run again.
  if (record.recovery === 'composite' && world.truth.lost.size > 0) return true
  if (record.recovery === 'composite' && record.reason !== 'amnesia')
    return record.children.some((key) => partIsOwned(world, key))
  if (record.state !== 'in-doubt') return false
  // People who are there settle what is theirs, so that it counts as open until they have.
  // Nobody may say "not done" of an attempt that can still send.
  if (isForPeople(record)) return !plan.people || stillActs(world, record)
  // A downstream that replays a stored 5xx, or a refusal that the engine cannot read as one, cannot settle it (protocol.md section 6, keyed).
  if (record.recovery === 'keyed' && (plan.stores5xx || plan.sticky)) return true
  // Refused on top of an open send: the refusal proves nothing, until the window is closed and somebody looks.
  if (record.reason === 'open-sends') return true
  // Only an engine with the same version of the contract may bring it to an end.
  if (plan.kind === 'versions' || plan.kind === 'supersedes')
    return !world.engines.some((engine) => engine.process.alive && engine.main.contract.major === record.major)
  return false
}

function partIsOwned(world: World, key: string): boolean {
  for (const { record } of world.truth.rows.values()) {
    if (record.key === key) return record.state === 'abandoned' || isOwned(world, record)
  }
  return false
}

/** The end of a schedule: what is recorded, what happened, and whether anything was forgotten. */
export function checkEnd(world: World, wants: readonly Want[]): void {
  const { truth, downstream, keeper, plan, coverage } = world
  for (const { record, history } of truth.rows.values()) {
    if (keeper.isLost(record.key, record.tenant)) continue
    const last = history.at(-1)
    demand(
      last?.to === record.state && last.fence === record.fence,
      'I13',
      () => `the history of ${record.tool} ends ${last?.to ?? 'nowhere'}, the record is ${record.state}`,
    )
    for (let i = 1; i < history.length; i += 1) {
      demand(history[i]?.from === history[i - 1]?.to, 'I13', () => `a gap in the history of ${record.tool} at ${i}`)
    }
    const intent = keeper.intentOf(record.key)
    if (intent === undefined || isAid(record) || keeper.isLost(record.key, record.tenant)) continue
    const effects = downstream.sends.filter((send) => send.opKey === record.key && send.effect !== undefined).length
    coverage.hit(`end:${record.state}`)
    const wasAbandoned = record.state === 'expired' && (record.reason !== undefined || record.openSends > 0)
    if (record.state === 'committed' || (record.state === 'expired' && !wasAbandoned)) {
      const byName = downstream.effectsOf(intent).length
      demand(byName > 0, 'I2', () => `${intent} ended ${record.state} and nothing happened`)
    }
    if (record.state === 'released' || record.state === 'rejected')
      demand(effects === 0, 'I3', () => `${intent} ended ${record.state} with ${effects} effects`)
  }
  if (plan.calm && plan.kind !== 'misuse') checkBaseline(world, wants)
}

/** Without faults the end is that of a single execution: every want done once, every caller told so. */
function checkBaseline(world: World, wants: readonly Want[]): void {
  const { downstream, keeper, plan, truth } = world
  if (plan.kind === 'sequence' || plan.kind === 'composite' || plan.kind === 'near') return
  // A question stands no longer than its downstream key is known: of one that nobody answered until then a doubt is left.
  const forgotten = [...truth.rows.values()]
    .filter(({ record }) => plan.kind === 'rounds' && record.state === 'in-doubt')
    .map(({ record }) => keeper.intentOf(record.key))
  for (const want of wants) {
    if (forgotten.includes(want.intent)) continue
    const count = downstream.effectsOf(want.intent).length
    demand(
      count >= 1 && count <= keeper.wanted(want.intent),
      'baseline',
      () => `${want.intent} happened ${count} times without any fault`,
    )
  }
}
