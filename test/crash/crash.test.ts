import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { startDownstream } from '../support/downstream.ts'
import { build } from './build.ts'
import { campaign, type Campaign } from './campaign.ts'
import { orderRow } from './order.ts'
import type { Cell } from './plan.ts'
import { runWave } from './wave.ts'

/** `npm run crash -- --kills 20000` is the long form. */
const KILLS = 500
const SEED = 20_251_122

describe('processes killed with SIGKILL', () => {
  let run: Campaign
  beforeAll(async () => {
    run = (await campaign({ kills: KILLS, seed: SEED })) as Campaign
  }, 600_000)

  it('are as many as were asked for, half of them where others had died or at random', () => {
    expect(run.kills).toBeGreaterThanOrEqual(KILLS)
    expect(run.broken).toEqual([])
    expect(run.deaths.get('outside')).toBeGreaterThan(KILLS / 10)
    expect(run.again).toBeGreaterThan(KILLS / 10)
  })

  it('repeat no effect', () => expect(run.faults.duplicate).toEqual([]))
  it('lose none', () => expect(run.faults.lost).toEqual([]))
  it('leave nobody with a wrong answer', () => expect(run.faults['wrong answer']).toEqual([]))
  it('died at every fault point', () => expect(run.unvisited).toEqual([]))
  it('left answers in the spool, which were found there', () => expect(run.spooled).toBeGreaterThan(0))
  it('raise no alarm', () => expect(run.alarms).toEqual([]))

  it('would have made the usual pattern repeat effects: the kills fall where they matter', () => {
    expect(run.control.duplicated / run.control.operations).toBeGreaterThan(0.3)
  })
})

describe('what the runs have found', () => {
  it(
    'a refusal that the ledger could not take is told as doubt, since recovery may yet do it',
    { timeout: 60_000 },
    async () => {
      const cell: Cell = {
        name: 'ledger locked',
        works: [{ kind: 'keyed', prepared: false, ref: 'refused' }],
        lives: [[{ concurrent: false, lock: { thenDie: false } }]],
        faults: new Map([['refused', ['refuse']]]),
        calledAgain: false,
      }
      const [built, downstream] = await Promise.all([build(), startDownstream()])
      try {
        const { operations } = await runWave({ cells: [cell], plannedKills: 0 }, built.child, downstream, 1, {
          ledger: async (folder) => join(folder, 'ledger.db'),
        })
        expect(operations.map(({ verdict }) => verdict.faults)).toEqual([[]])
      } finally {
        built.remove()
        await downstream.close()
      }
    },
  )
})

const order = await orderRow()
if (typeof order === 'string') process.stdout.write(`${order}\n`)

describe.skipIf(typeof order === 'string')('the order of writes', () => {
  it('is marker, fsync, connect, commit, fsync, answer', () => {
    expect(order).toMatchObject({ ok: true })
  })
})
