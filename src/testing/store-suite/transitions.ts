import assert from 'node:assert/strict'
import { decide, stamp, type Command, type OperationRecord, type State } from '../../engine/index.ts'
import { assertSame, fold, OUTCOME, WHO, type Bench } from './bench.ts'
import { group, type Case } from './case.ts'

const own = ({ fence, nonce }: OperationRecord): { fence: number; nonce: string; who: string } => ({
  fence,
  nonce,
  who: WHO,
})
const evidence = { name: 'Refused', message: 'the account is closed', text: '{"code":"closed"}' }

/** Every edge that leads on from a record, with a command that takes it. */
const EDGES: readonly (readonly [
  from: State,
  to: State | 'deleted',
  command: (record: OperationRecord, bench: Bench) => Command,
])[] = [
  ['claimed', 'executing', (r) => ({ type: 'mark', ...own(r), leaseMs: 5000, input: '{"frozen":true}' })],
  ['claimed', 'released', (r) => ({ type: 'withdraw', ...own(r) })],
  ['claimed', 'claimed', (r) => ({ type: 'heartbeat', ...own(r), leaseMs: 90_000 })],
  ['executing', 'committed', (r) => ({ type: 'commit', ...own(r), outcome: OUTCOME })],
  ['executing', 'rejected', (r) => ({ type: 'reject', ...own(r), error: evidence })],
  ['executing', 'released', (r) => ({ type: 'unsent', ...own(r) })],
  [
    'executing',
    'in-doubt',
    (r) => ({ type: 'doubt', who: WHO, why: 'hung', fence: r.fence, reason: 'timeout', evidence: '60 s' }),
  ],
  ['executing', 'awaiting-input', (r) => ({ type: 'ask', ...own(r) })],
  ['executing', 'accepted', (r) => ({ type: 'accept', ...own(r), outcome: OUTCOME, leaseMs: 1000 })],
  ['executing', 'executing', (r, bench) => ({ type: 'adopt', ...own(r), ordinal: 2, child: bench.key() })],
  ['awaiting-input', 'executing', (r) => ({ type: 'resume', round: 'next', ...own(r), leaseMs: 5000 })],
  ['awaiting-input', 'committed', (r) => ({ type: 'commit', ...own(r), outcome: OUTCOME })],
  ['accepted', 'committed', (r) => ({ type: 'verified', ...own(r), happened: true })],
  ['accepted', 'in-doubt', (r) => ({ type: 'verified', ...own(r), happened: false })],
  [
    'in-doubt',
    'recovering',
    (_, bench) => ({ type: 'recover', who: WHO, nonce: bench.name(), leaseMs: 5000, backoffMs: 0 }),
  ],
  ['in-doubt', 'committed', (r) => ({ type: 'commit', ...own(r), outcome: { ...OUTCOME, omitted: true } })],
  [
    'in-doubt',
    'abandoned',
    () => ({ type: 'resolve', who: 'eve', verdict: 'abandoned', note: 'asked them', quarantineMs: 0 }),
  ],
  ['in-doubt', 'in-doubt', () => ({ type: 'note-evidence', who: 'webhook', what: 'it says paid' })],
  ['recovering', 'committed', (r) => ({ type: 'found', ...own(r), outcome: { ...OUTCOME, kind: 'error' } })],
  [
    'recovering',
    'in-doubt',
    (r) => ({ type: 'give-up', ...own(r), reason: 'recovery-failed', evidence: 'probe: 503' }),
  ],
  [
    'recovering',
    'executing',
    (r) => ({
      type: 'resend',
      ...own(r),
      leaseMs: 5000,
      checked: true,
      window: { windowMs: 86_400_000, marginMs: 1000 },
    }),
  ],
  ['recovering', 'recovering', (r) => ({ type: 'heartbeat', ...own(r), leaseMs: 90_000 })],
  ['committed', 'compensating', (_, bench) => ({ type: 'compensate', who: WHO, nonce: bench.name(), leaseMs: 5000 })],
  ['committed', 'expired', () => ({ type: 'expire', who: WHO })],
  ['committed', 'committed', () => ({ type: 'deliver', who: WHO })],
  ['compensating', 'compensated', () => ({ type: 'compensated', who: WHO })],
  ['abandoned', 'committed', (r) => ({ type: 'commit', ...own(r), outcome: OUTCOME })],
  ['released', 'deleted', () => ({ type: 'expire', who: WHO })],
  ['rejected', 'deleted', () => ({ type: 'expire', who: WHO })],
  [
    'rejected',
    'executing',
    (_, bench) => ({
      type: 'claim',
      who: 'host/boot/2/2',
      nonce: bench.name(),
      leaseMs: 5000,
      descriptor: bench.descriptor({ fingerprint: 'other', run: 'run 2', amount: 12.5, session: 's' }),
      input: '{"amount":2}',
      mark: true,
    }),
  ],
]

/** Every transition of the state machine, written and read back. */
export const transitions: readonly Case[] = group(
  'transitions',
  EDGES.map(([from, to, command]) => ({
    name: `${from} → ${to} is written, answered, read back and in the history`,
    async run(bench: Bench) {
      const before = await bench.reach(from)
      const { now: seenAt } = await bench.read(before.key)
      const write = await bench.plan(before.key, command(before, bench))
      const answer = await bench.store.write(write)
      assert.equal(answer.applied, true)
      const expected = write.draft === undefined ? undefined : stamp(write.draft, before, answer.now, answer.sequence)
      assertSame(answer.record, expected)
      assertSame((await bench.read(before.key)).record, expected)
      assert.ok(answer.now >= seenAt, 'the store’s clock does not go backwards')
      const history = await bench.store.history(before.key, bench.tenant)
      if (to === 'deleted') return
      assert.equal(fold(history), to)
      const last = history.at(-1)
      assertSame(last, {
        ...write.event,
        fence: write.event.fence === 0 ? answer.record?.fence : write.event.fence,
        at: answer.now,
      })
      // The machine reads what the store gave back as it reads its own: a command that is refused stays refused.
      assert.equal(decide(before.key, answer.record, { type: 'lapse', who: WHO }, 0).ok, false)
    },
  })),
)
