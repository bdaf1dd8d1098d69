import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { describe, expect, it } from 'vitest'
import { withoutAmbient } from './ambient.ts'
import { runBatch } from './batch.ts'
import { judgeMutants, type Verdict } from './mutant-run.ts'
import { runPool } from './pool.ts'
import { rowsOf } from './report.ts'
import { simulate } from './simulate.ts'

const MINUTE = 60_000

/** `npm run simulate` runs more of them; these are for every `npm test`. */
const SCHEDULES = 300_000

describe('the engine under simulated time, network, store and processes', () => {
  it(`keeps every promise over ${SCHEDULES} schedules, and takes every path`, { timeout: 20 * MINUTE }, async () => {
    const batch = await runPool({ from: 1, count: SCHEDULES, processes: availableParallelism(), yielding: true })
    expect(batch.failures).toEqual([])
    expect(rowsOf(batch, 1).filter(({ ok }) => !ok)).toEqual([])
  })

  it('replays a seed event by event', { timeout: MINUTE }, async () => {
    for (const seed of [7, 1478, 2531]) {
      const one = await withoutAmbient(() => simulate(seed, { trace: true }))
      const other = await withoutAmbient(() => simulate(seed, { trace: true }))
      expect(one.lines?.length).toBeGreaterThan(20)
      expect(other.lines).toEqual(one.lines)
      expect(other.fingerprint).toBe(one.fingerprint)
    }
  })

  it('gives a batch the same fingerprint whatever ran before it', { timeout: MINUTE }, async () => {
    const one = await runBatch({ from: 5_000, count: 300 })
    await runBatch({ from: 9_000, count: 50 })
    const other = await runBatch({ from: 5_000, count: 300 })
    expect(other.fingerprint).toBe(one.fingerprint)
    expect((await runBatch({ from: 5_001, count: 300 })).fingerprint).not.toBe(one.fingerprint)
  })

  it('catches every mutant that it can switch on', { timeout: 20 * MINUTE }, async () => {
    const verdicts: Verdict[] = []
    await judgeMutants((verdict) => verdicts.push(verdict))
    expect(verdicts.filter(({ failure }) => failure === undefined).map(({ name }) => name)).toEqual([])
    expect(verdicts.length).toBeGreaterThanOrEqual(20)
  })
})

describe('the world outside the simulation', () => {
  it.each([
    ['Date.now', () => Date.now()],
    ['new Date()', () => new Date()],
    ['Math.random', () => Math.random()],
    ['setTimeout', () => setTimeout(() => undefined, 1)],
    ['setImmediate', () => setImmediate(() => undefined)],
    ['performance.now', () => performance.now()],
    ['crypto.randomUUID', () => crypto.randomUUID()],
    ['randomBytes', () => randomBytes(1)],
  ])('%s throws inside it, and is itself again outside', async (_name, use) => {
    await withoutAmbient(async () => expect(use).toThrow('inside the simulation'))
    expect(use).not.toThrow()
  })

  it('a date that is given is no ambient time', async () => {
    await withoutAmbient(async () => {
      expect(new Date(0).toISOString()).toBe('1970-01-01T00:00:00.000Z')
      expect(new Date(0)).toBeInstanceOf(Date)
    })
  })
})
