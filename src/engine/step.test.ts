import { expect, it } from 'vitest'
import { COMMANDS, give, OUTCOME, recordIn } from '../../test/explore/machine-fixture.ts'
import { thrownBy } from '../../test/vectors/attempt.ts'
import { assertEdge, assertInvariant, InvariantViolation, type Transition } from './edges.ts'
import { freshDraft } from './fresh-draft.ts'
import { STATES, type State } from './record.ts'
import { eventOf, move, refuse } from './step.ts'

const violation = (action: () => unknown): string => {
  const error = thrownBy(action)
  if (error instanceof InvariantViolation) return error.message
  throw new Error('nothing was violated')
}
const doubt = give('doubt')

it('a move keeps the record, changes what it is told to, and leaves moments to the store', () => {
  const record = recordIn('executing', { revision: 9, leaseUntil: 77, updatedAt: 88 })
  const decision = move(record, 'T8', 'in-doubt', { ...doubt, why: 'x' }, { reason: 'reset' }, 'loud')
  expect(decision).toEqual({
    ok: true,
    transition: 'T8',
    draft: { ...record, leaseMs: undefined, reason: 'reset', state: 'in-doubt' },
    event: {
      transition: 'T8',
      from: 'executing',
      to: 'in-doubt',
      fence: 7,
      nonce: 'mine',
      who: 'anyone',
      why: 'x',
      openSends: 1,
    },
    alarm: 'loud',
  })
  expect(Object.keys(move(record, 'T8', 'in-doubt', doubt, {}))).not.toContain('alarm')
  expect(Object.keys(eventOf('T8', 'executing', 'in-doubt', doubt, record))).not.toContain('why')
  expect(refuse('fence')).toEqual({ ok: false, refusal: 'fence' })
})

it('stops before it breaks the protocol', () => {
  const executing = recordIn('executing')
  expect(violation(() => move(executing, 'T8', 'committed', doubt, {}))).toContain('T8 does not lead')
  expect(violation(() => move(executing, 'T8', 'in-doubt', doubt, { fence: 6 }))).toContain('I6')
  move(executing, 'T8', 'in-doubt', doubt, { fence: 7 })
  expect(violation(() => move(executing, 'T7', 'released', doubt, { openSends: 1 }))).toContain('released with an open')
  expect(violation(() => move(executing, 'T6', 'rejected', doubt, { openSends: 1 }))).toContain('I3')
  move(executing, 'T7', 'released', doubt, { openSends: 0 })
  move(executing, 'T5', 'committed', doubt, { openSends: 1 })
  const committed = recordIn('committed')
  move(committed, 'delivered', 'committed', doubt, { delivered: true })
  expect(violation(() => move(committed, 'delivered', 'committed', doubt, { outcome: { ...OUTCOME } }))).toContain('I5')
  move(committed, 'T17', 'expired', doubt, { outcome: undefined })
  move(recordIn('in-doubt'), 'T9', 'committed', doubt, { outcome: OUTCOME })
  expect(thrownBy(() => assertInvariant(true, 'x'))).toBeUndefined()
  expect(violation(() => assertInvariant(false, 'x'))).toBe('x')
  expect(new InvariantViolation('x').name).toBe('InvariantViolation')
})

/** protocol.md section 4, written once more: every edge that is not here is a bug. */
const LEGAL: Readonly<Record<Transition, string>> = {
  T0: 'absent>in-doubt claimed>in-doubt released>in-doubt rejected>in-doubt',
  T1: 'absent>claimed',
  "T1'": 'absent>executing released>executing rejected>executing',
  T2: 'claimed>executing',
  T3: 'claimed>released',
  T4: 'claimed>claimed',
  T5: 'executing>committed awaiting-input>committed',
  T6: 'executing>rejected',
  T7: 'executing>released',
  T8: 'executing>in-doubt awaiting-input>in-doubt',
  T9: 'in-doubt>committed in-doubt>rejected in-doubt>released',
  T10: 'in-doubt>recovering',
  T11: 'recovering>committed',
  T12: 'recovering>released',
  T13: 'recovering>executing',
  T14: 'recovering>in-doubt',
  T15:
    'claimed>committed executing>committed awaiting-input>committed accepted>committed in-doubt>committed ' +
    'recovering>committed released>committed rejected>committed abandoned>committed',
  T16: 'in-doubt>committed in-doubt>released in-doubt>abandoned',
  T17: 'committed>expired compensated>expired abandoned>expired released>deleted rejected>deleted',
  T18: 'released>claimed rejected>claimed',
  T19: 'executing>awaiting-input awaiting-input>executing',
  T20: 'executing>accepted accepted>accepted accepted>committed accepted>in-doubt',
  T21: 'committed>compensating compensating>compensated',
  superseded: 'absent>superseded released>superseded rejected>superseded superseded>superseded superseded>released',
  heartbeat:
    'claimed>claimed executing>executing recovering>recovering accepted>accepted awaiting-input>awaiting-input ' +
    'compensating>compensating',
  evidence: 'in-doubt>in-doubt rejected>rejected expired>expired',
  adopted: 'executing>executing',
  delivered:
    'committed>committed rejected>rejected released>released in-doubt>in-doubt abandoned>abandoned ' +
    'compensated>compensated',
}

it.each(Object.keys(LEGAL) as Transition[])('%s takes its own edges and no other', (transition) => {
  const taken: string[] = []
  for (const from of ['absent', ...STATES] as const)
    for (const to of [...STATES, 'deleted'] as const) {
      const error = thrownBy(() => assertEdge(transition, from, to))
      if (error === undefined) taken.push(`${from}>${to}`)
      else expect(error).toBeInstanceOf(InvariantViolation)
    }
  expect(taken.sort()).toEqual(LEGAL[transition].split(' ').sort())
})

it.each<[State, object]>([
  ['claimed', {}],
  ['executing', { attempts: 1, openSends: 1, firstSendAt: 'now' }],
  ['in-doubt', { leaseMs: 0, doubtAt: 'now', reason: 'amnesia' }],
  ['superseded', {}],
])('the first draft of an operation that is %s', (state, change) => {
  expect(freshDraft('of1_x', COMMANDS.claim, state)).toEqual({
    ...COMMANDS.claim.descriptor,
    key: 'of1_x',
    state,
    fence: 0,
    nonce: 'fresh',
    writeId: '',
    owner: 'me',
    generation: 0,
    attempts: 0,
    recoveries: 0,
    openSends: 0,
    leaseMs: 30,
    firstSendAt: 0,
    doubtAt: 0,
    createdAt: 'now',
    input: '{"order":2}',
    outcome: undefined,
    error: undefined,
    reason: undefined,
    evidence: [],
    round: 0,
    children: [],
    delivered: false,
    closedBy: undefined,
    ...change,
  })
})
