import { expect, it } from 'vitest'
import { bench, facts, refusalOf, settle, type Bench } from './bench.ts'
import { keyed, left } from './corners.ts'

const A = { ref: 'a' }
const after = (b: Bench): Bench => bench({ beside: b, self: 'host/boot/2/2' })

/** Some rounds of a program that never got a call. */
async function rounds(b: Bench): Promise<void> {
  await b.until(b.guard.open())
  for (let n = 0; n < 3; n += 1) {
    b.time.stepStore(60_000)
    await b.until(b.guard.internals.tick())
    await settle()
  }
}

it('a doubt is not sent again by a contract of another version, and is by its own', async () => {
  const old = bench()
  const tool = await left(old, { recovery: keyed() })
  await old.until(old.guard.close())
  await old.inner.open()
  const now = after(old)
  const changed = now.tool({ version: 2, recovery: keyed(), execute: () => now.downstream.log.push('another request') })
  await rounds(now)
  expect(facts(await refusalOf(now.until(changed(A))))).toMatchObject({
    code: 'CONTRACT_SUPERSEDED',
    effect: 'unknown',
  })
  expect(now.downstream.log).toEqual(['a:lose-answer'])
  const back = bench({ beside: old, self: 'host/boot/3/3' })
  back.tool({ recovery: keyed() })
  await rounds(back)
  expect([back.record(tool, A)?.state, back.downstream.effects('a')]).toEqual(['committed', 1])
})

it('nor by one whose recovery is of another kind', async () => {
  const old = bench()
  const tool = await left(old, { recovery: keyed() })
  await old.until(old.guard.close())
  await old.inner.open()
  const now = after(old)
  now.tool({ recovery: { class: 'idempotent', precondition: () => true } })
  await rounds(now)
  expect([now.record(tool, A)?.state, now.downstream.log]).toEqual(['in-doubt', ['a:lose-answer']])
})

it.each([{ identity: 'all' }, { identity: ['ref'] }])(
  'a new field in `ignore` leaves earlier calls known: %j',
  async (how) => {
    const old = bench()
    await old.until(old.tool(how)(A))
    const now = after(old)
    const filled = { ...A, account: 'main' }
    const tool = now.tool({ ...how, ignore: ['note', 'account'] })
    expect(await now.until(tool.perform(filled))).toMatchObject({ status: 'committed', replayed: true })
    expect(now.downstream.effects('a')).toBe(1)
  },
)
