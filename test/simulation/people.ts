import type { OperationRecord } from '../../src/engine/index.ts'
import { anyEngine, inProcess, pause } from './agent.ts'
import type { Engine } from './engine.ts'
import { isWindowed, LEASE, QUARANTINE } from './plan.ts'
import { happens, type World } from './world.ts'

const PERSONAL = ['window-closed', 'precondition-failed', 'verification-failed']

/** True for a doubt that nobody but a person settles. */
export function isForPeople(record: OperationRecord): boolean {
  if (record.state !== 'in-doubt') return false
  if (record.recovery === 'manual' || PERSONAL.includes(record.reason ?? '')) return true
  if (record.reason === 'amnesia') return record.recovery !== 'probe'
  return record.recovery === 'probe' && !record.checked
}

/** Somebody who looks at the list of doubts now and then, asks the downstream, and says what is so. */
export async function person(world: World, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await pause(world, world.random.between(100, 500))
    const engine = anyEngine(world)
    if (engine === undefined || isOver()) continue
    await inProcess(world, engine, () => settleSome(world, engine))
  }
}

/** When somebody first saw a doubt, by their own watch: the store's clock may have jumped since. */
const seen = new WeakMap<World, Map<string, number>>()

function waitedMs(world: World, record: OperationRecord): number {
  const since = seen.get(world) ?? new Map<string, number>()
  seen.set(world, since)
  const name = `${record.key}/${record.attempts}`
  const first = since.get(name) ?? world.scheduler.now
  since.set(name, first)
  return world.scheduler.now - first
}

async function settleSome(world: World, engine: Engine): Promise<void> {
  const { operators } = engine.guard.internals
  const page = await operators.list({ states: ['in-doubt'] })
  const listedAt = world.scheduler.now
  for (const record of page.records) {
    if (!isForPeople(record)) continue
    const verdict = verdictOn(world, record, page.now, world.scheduler.now - listedAt)
    if (verdict === undefined) continue
    world.coverage.hit(`person:${verdict.verdict}`)
    await operators.resolve(record.key, { who: 'ann', note: 'looked', ...verdict }, record.tenant)
  }
}

type Verdict =
  | { readonly verdict: 'committed'; readonly value: unknown }
  | { readonly verdict: 'released' | 'abandoned' }

/** @param sinceMs how long ago the list said that it is `now` */
function verdictOn(world: World, record: OperationRecord, now: number, sinceMs: number): Verdict | undefined {
  const { downstream, keeper } = world
  // By what it is about, as the record's input says it: also for a key under which nothing was ever sent.
  const intent = keeper.intentOf(record.key) ?? intentIn(record.input)
  // Of several things that are alike, the one that this very operation did.
  const own = downstream.sends.find((send) => send.opKey === record.key && send.effect !== undefined)?.effect
  const effect = own ?? (intent === undefined ? undefined : downstream.effectsOf(intent)[0])
  if (effect !== undefined) return { verdict: 'committed', value: effect.value }
  // Somebody in a hurry says "not done" at once, without a look: the engine must not believe it before Q is over. So early
  // that the word is there by then: one that takes its time on the way would be believed, as a person's word is.
  const isEarly = now + sinceMs < record.doubtAt + QUARANTINE / 3
  const waited = waitedMs(world, record)
  const jumps = world.plan.incidents.some(({ type }) => type === 'store-clock') && !isWindowed(world.plan.kind)
  if (record.checked && !jumps && happens(world, 0.1) && isEarly) return { verdict: 'released' }
  // T16 waits by the store's clock alone; where that may jump by a day, a person's own watch has to do.
  if (jumps && waited < LEASE + QUARANTINE) return undefined
  if (now < record.doubtAt + QUARANTINE || stillActs(world, record)) return undefined
  // Where nothing goes wrong, nobody gives up: a caller may only have taken long over a question.
  return { verdict: happens(world, 0.1) && !world.plan.calm ? 'abandoned' : 'released' }
}

/** The intent that a frozen input carries. */
function intentIn(input: string | undefined): string | undefined {
  const { intent } = (input?.startsWith('{') === true ? JSON.parse(input) : {}) as { readonly intent?: string }
  return intent
}

/** An attempt whose sends are not checked may send for as long as its process lives, and its last request travels Q. */
export function stillActs(world: World, record: OperationRecord): boolean {
  if (record.checked) return false
  const owner = world.engines.find(({ process }) => process.owner === record.owner)
  return owner !== undefined && world.scheduler.now < owner.process.diedAt + QUARANTINE
}
