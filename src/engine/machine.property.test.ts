import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { COMMANDS, give, recordIn } from '../../test/explore/machine-fixture.ts'
import type { Command } from './commands.ts'
import { assertEdge, type Transition } from './edges.ts'
import { decide } from './machine.ts'
import { OPEN_STATES, stamp, type HistoryEvent, type OperationRecord, type State } from './record.ts'

const TYPES = Object.keys(COMMANDS) as Command['type'][]
const RECOVERIES = ['keyed', 'probe', 'idempotent', 'manual', 'composite', 'transactional'] as const
const LONG_STEP_MS = 6_000

/** A command by an attempt of the past: how many fences back, with its own nonce or a forged one; and time passing. */
const STEP = fc.record({
  type: fc.constantFrom(...TYPES),
  back: fc.constantFrom(0, 0, 0, 0, 1, 2),
  forged: fc.constantFrom(false, false, false, true),
  mark: fc.boolean(),
  verdict: fc.constantFrom('committed', 'released', 'abandoned'),
  holds: fc.boolean(),
  passes: fc.constantFrom(0, 1, 40, 150, LONG_STEP_MS),
})

interface Life {
  record: OperationRecord | undefined
  history: HistoryEvent[]
  now: number
  sequence: number
  /** Nonce by fence, as the store gave them. */
  attempts: Map<number, string>
}

type Step = typeof STEP extends fc.Arbitrary<infer Value> ? Value : never

function commandOf(life: Life, step: Step, index: number, recovery: (typeof RECOVERIES)[number]): Command {
  const fence = Math.max(0, (life.record?.fence ?? 0) - step.back)
  const nonce = step.forged ? 'forged' : (life.attempts.get(fence) ?? 'unknown')
  const fresh = { nonce: `n${index}` }
  const descriptor = { ...COMMANDS.claim.descriptor, recovery }
  switch (step.type) {
    case 'claim':
      return give('claim', { ...fresh, mark: step.mark, descriptor })
    case 'recover':
    case 'verify':
    case 'compensate':
      return give(step.type, fresh)
    case 'resolve':
      return give('resolve', { verdict: step.verdict } as never)
    case 'commit':
      return give('commit', {
        fence,
        nonce,
        outcome: { kind: 'value', text: `"${index}"`, sha256: `hash${index}`, size: 3 },
      })
    case 'supersede':
      return give('supersede', { descriptor })
    case 'resend':
      return give('resend', { fence, nonce, preconditionHolds: step.holds })
    default:
      return give(step.type, 'fence' in COMMANDS[step.type] ? ({ fence, nonce } as never) : {})
  }
}

/** State, fence, nonce and open sends, from the history alone. */
const fold = (history: readonly HistoryEvent[]) =>
  history.reduce<{ state: State | 'absent'; fence: number; nonce: string; openSends: number }>(
    (before, event) => {
      expect(event.from).toBe(before.state)
      return {
        state: event.to === 'deleted' ? 'absent' : event.to,
        fence: event.fence,
        nonce: event.nonce,
        openSends: event.openSends,
      }
    },
    { state: 'absent', fence: 0, nonce: '', openSends: 0 },
  )

function check(
  life: Life,
  before: OperationRecord | undefined,
  after: OperationRecord | undefined,
  command: Command,
  transition: Transition,
): void {
  assertEdge(transition, before?.state ?? 'absent', after?.state ?? 'deleted')
  if (before !== undefined && OPEN_STATES.includes(before.state)) expect(after, 'I10').toBeDefined()
  if (after === undefined) return
  if (before === undefined) {
    for (const fence of life.attempts.keys()) expect(after.fence, 'I6').toBeGreaterThan(fence)
    return
  }
  expect(after.fence, 'I6').toBeGreaterThanOrEqual(before.fence)
  if ('fence' in command && command.fence < before.fence) expect(transition, 'I6').toBe('T15')
  if (after.state === 'released' || after.state === 'rejected') expect(after.openSends, 'I3').toBe(0)
  if (before.state === 'committed' && after.state !== 'expired') expect(after.outcome, 'I5').toEqual(before.outcome)
  if (before.state === 'rejected' && after.state === 'rejected') expect(after.error, 'I5').toEqual(before.error)
  const sendsAgain = after.state === 'executing' && before.state !== 'executing' && before.state !== 'awaiting-input'
  if (sendsAgain && transition !== 'T13') expect(before.openSends, 'I8').toBe(0)
  if (transition === 'T13') expect(after.openSends, 'I8').toBe(before.openSends + 1)
}

describe('any sequence of commands, by any attempt, at any time', () => {
  for (const recovery of RECOVERIES) {
    it(`keeps the invariants for ${recovery}`, () => {
      fc.assert(
        fc.property(fc.array(STEP, { maxLength: 40, size: 'max' }), (steps) => {
          const life: Life = { record: undefined, history: [], now: 1_000_000, sequence: 0, attempts: new Map() }
          steps.forEach((step, index) => {
            life.now += step.passes
            const command = commandOf(life, step, index, recovery)
            const before = life.record
            const decision = decide('of1_test', before, command, life.now)
            if (!decision.ok) return
            const after =
              decision.draft === undefined ? undefined : stamp(decision.draft, before, life.now, life.sequence + 1)
            check(life, before, after, command, decision.transition)
            life.history.push({ ...decision.event, at: life.now, fence: after?.fence ?? decision.event.fence })
            life.record = after
            if (after !== undefined) {
              life.sequence = Math.max(life.sequence, after.fence)
              life.attempts.set(after.fence, after.nonce)
            }
            const folded = fold(life.history)
            expect(folded.state, 'I13').toBe(after?.state ?? 'absent')
            if (after !== undefined)
              expect(folded, 'I13').toEqual({
                state: after.state,
                fence: after.fence,
                nonce: after.nonce,
                openSends: after.openSends,
              })
          })
        }),
        { numRuns: 1_500, seed: 20_261 },
      )
    })
  }

  it('decides the same for the same arguments, and changes none of them', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...TYPES),
        fc.constantFrom(...(['claimed', 'executing', 'in-doubt', 'recovering', 'released', 'committed'] as const)),
        (type, state) => {
          const record = Object.freeze(recordIn(state))
          const first = decide('of1_test', record, give(type), 1_000_000)
          expect(decide('of1_test', record, give(type), 1_000_000)).toEqual(first)
          expect(record).toEqual(recordIn(state))
        },
      ),
    )
  })
})
