import assert from 'node:assert/strict'
import type { Command, OperationRecord, State, WriteAnswer } from '../../engine/index.ts'
import { assertSame, fold, OUTCOME, WHO, type Bench } from './bench.ts'
import { group, type Case } from './case.ts'

const WRITERS = 16

/** What many would do at once with a record in a state. */
const CONTESTS: readonly (readonly [
  state: State | 'absent',
  what: string,
  command: (record: OperationRecord, bench: Bench) => Command,
])[] = [
  ['absent', 'claim', (_, bench) => claim(bench)],
  ['claimed', 'mark', (r) => ({ type: 'mark', fence: r.fence, nonce: r.nonce, who: WHO, leaseMs: 1000, input: '{}' })],
  ['executing', 'commit', (r) => ({ type: 'commit', fence: r.fence, nonce: r.nonce, who: WHO, outcome: OUTCOME })],
  ['executing', 'doubt', (r) => ({ type: 'doubt', who: WHO, fence: r.fence, reason: 'lease-over' })],
  [
    'in-doubt',
    'recover',
    (_, bench) => ({ type: 'recover', who: WHO, nonce: bench.name(), leaseMs: 1000, backoffMs: 0 }),
  ],
  ['rejected', 'claim', (_, bench) => claim(bench)],
  ['committed', 'compensate', (_, bench) => ({ type: 'compensate', who: WHO, nonce: bench.name(), leaseMs: 1000 })],
  ['released', 'expire', () => ({ type: 'expire', who: WHO })],
]

const claim = (bench: Bench): Command => ({
  type: 'claim',
  who: WHO,
  nonce: bench.name(),
  leaseMs: 1000,
  descriptor: bench.descriptor(),
  input: '{}',
  mark: true,
})

/** One applied; every other one is told so and shown the winner's record. */
function assertOneWinner(answers: readonly WriteAnswer[]): WriteAnswer {
  const winners = answers.filter((answer) => answer.applied)
  assert.equal(winners.length, 1, `${winners.length} of ${answers.length} writers won`)
  const [winner] = winners
  assert.ok(winner !== undefined)
  for (const answer of answers)
    assertSame(answer.record, winner.record, 'a loser is shown another record than the winner’s')
  return winner
}

async function contest(
  benches: readonly Bench[],
  state: State | 'absent',
  command: (record: OperationRecord, bench: Bench) => Command,
): Promise<void> {
  const [first] = benches as readonly [Bench]
  const key = first.key()
  const record = state === 'absent' ? ({} as OperationRecord) : await first.reach(state, key)
  const writes = await Promise.all(Array.from({ length: WRITERS }, () => first.plan(key, command(record, first))))
  const answers = await Promise.all(writes.map((write, n) => (benches[n % benches.length] as Bench).store.write(write)))
  const winner = assertOneWinner(answers)
  for (const bench of benches) assertSame((await bench.read(key)).record, winner.record)
  if (winner.record === undefined) return
  const history = await first.store.history(key, first.tenant)
  assert.equal(fold(history), winner.record.state)
  assert.equal(history.filter((event) => event.to === winner.record?.state && event.from === state).length, 1)
}

async function withAnother(bench: Bench, run: (other: Bench) => Promise<void>): Promise<void> {
  const other = await bench.under.another?.()
  assert.ok(other !== undefined)
  try {
    await run(bench.on(other))
  } finally {
    await other.close()
  }
}

/** Of any number of writers on one revision, one wins. */
export const races: readonly Case[] = group('races', [
  ...CONTESTS.map(([state, what, command]) => ({
    name: `${WRITERS} callers ${what} one ${state} record at once: one wins, all see what it wrote`,
    run: (bench: Bench) => contest([bench], state, command),
  })),
  ...CONTESTS.map(([state, what, command]) => ({
    name: `two processes ${what} one ${state} record at once: one wins, all see what it wrote`,
    needs: ['another'] as const,
    run: (bench: Bench) => withAnother(bench, (other) => contest([bench, other], state, command)),
  })),
  {
    name: 'many keys claimed by many at once have one winner each',
    async run(bench) {
      const keys = Array.from({ length: 30 }, () => bench.key())
      const writes = await Promise.all(
        keys.flatMap((key) => Array.from({ length: 4 }, () => bench.plan(key, claim(bench)))),
      )
      const answers = await Promise.all(writes.map((write) => bench.store.write(write)))
      for (const key of keys) assertOneWinner(answers.filter((_, n) => writes[n]?.key === key))
    },
  },
  {
    name: 'what one process wrote, another reads at once',
    needs: ['another'],
    run: (bench) =>
      withAnother(bench, async (other) => {
        const key = bench.key()
        await bench.claim(key, { mark: true })
        for (let n = 0; n < 10; n += 1) {
          const [writer, reader] = n % 2 === 0 ? [bench, other] : [other, bench]
          const written = await writer.store.write(writer.touch(await writer.record(key)))
          assert.equal(written.applied, true)
          assertSame(await reader.record(key), written.record)
        }
      }),
  },
  {
    name: 'a key that one process deleted and another recorded anew goes on as the new record',
    needs: ['another'],
    run: (bench) =>
      withAnother(bench, async (other) => {
        const before = await bench.reach('released')
        await other.apply(before.key, { type: 'expire', who: WHO })
        const after = await other.reach('executing', before.key)
        const refused = await bench.store.write(bench.touch(before))
        assert.equal(refused.applied, false)
        assertSame(refused.record, after)
        const answer = await bench.store.write(bench.touch(after))
        assert.equal(answer.applied, true, 'a write on what a conflict showed is applied')
      }),
  },
  {
    name: 'a key that others deleted and recorded anew takes the first write on what is there now',
    needs: ['another'],
    run: (bench) =>
      withAnother(bench, async (other) => {
        for (const state of ['released', 'rejected'] as const) {
          const before = await bench.reach(state)
          await other.apply(before.key, { type: 'expire', who: WHO })
          await other.reach(state, before.key)
          const answer = await bench.store.write(bench.touch(await bench.record(before.key)))
          assert.equal(answer.applied, true)
          await other.apply(before.key, { type: 'expire', who: WHO })
          await other.reach(state, before.key)
          const gone = await bench.apply(before.key, { type: 'expire', who: WHO })
          assert.equal(gone.record, undefined)
        }
      }),
  },
  {
    name: 'the later of two sequences, from whichever process, is the higher one',
    needs: ['another'],
    run: (bench) =>
      withAnother(bench, async (other) => {
        let last = 0
        for (let n = 0; n < 10; n += 1) {
          const on = n % 2 === 0 ? bench : other
          const { sequence } = await on.apply(on.key(), claim(on))
          assert.ok(sequence > last)
          last = sequence
        }
      }),
  },
])
