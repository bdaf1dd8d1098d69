import { describe, expect, it } from 'vitest'
import { recordIn } from '../../test/explore/machine-fixture.ts'
import { contractOf, facts } from '../../test/mutation/bench.ts'
import { cancelled, closedAnswer, inDoubt, inProgress, keyReused, noticeOf, rejected, superseded } from './answers.ts'
import { nameOperation, type Operation } from './operation.ts'
import { STATES, type OperationRecord, type State } from './record.ts'

const NAMING = { defaultTenant: 'default', keySecret: undefined, previousSecrets: [], maxInputBytes: 10_000 }
const opOf = (input: unknown, options = {}, index?: number): Operation =>
  nameOperation(NAMING, contractOf(options), input, {}, undefined, undefined, index)
const op = opOf({ ref: 'a', amount: 5 })
const key = 'of1_abcdefghijklmnop'
const ticket = 'abcdefghijkl'
const recordOf = (state: State, change: Partial<OperationRecord> = {}): OperationRecord =>
  recordIn(state, { key, tool: 'place_order', ...change })
const none = { retryable: false, retryAfterMs: undefined, details: {} }

describe('a call whose key is known under other values', () => {
  it('is KEY_REUSED and names the fields that differ', () => {
    const record = recordOf('executing', { fingerprint: 'other', input: '{"amount":6,"extra":1,"ref":"a"}' })
    const error = keyReused(op, record)
    expect(facts(error)).toEqual({
      ...none,
      code: 'KEY_REUSED',
      effect: 'unknown',
      key,
      ticket,
      details: { fields: ['amount', 'extra'] },
    })
    expect(error?.message).toContain('amount, extra')
  })

  it.each<[State, string]>([
    ['committed', 'done'],
    ['expired', 'done'],
    ['claimed', 'none'],
    ['in-doubt', 'unknown'],
  ])('says of a record that is %s: %s', (state, effect) => {
    expect(keyReused(op, recordOf(state))?.effect).toBe(effect)
  })

  it('names no field where the recorded input is gone or unreadable', () => {
    for (const input of [undefined, 'not JSON', '{"amount":5,"ref":"a"}']) {
      const error = keyReused(op, recordOf('committed', { input }))
      expect(error?.details).toEqual({ fields: [] })
      expect(error?.message).toContain('a field that must match')
    }
  })

  it('is none at all where the fingerprint is the same', () => {
    expect(keyReused(op, recordOf('committed', { fingerprint: op.descriptor.fingerprint }))).toBeUndefined()
  })

  it('has diverged where calls are counted', () => {
    const counted = keyReused(opOf({ ref: 'a' }, { identity: 'all' }), recordOf('committed'))
    expect(counted?.code).toBe('KEY_REUSED')
    const run = { id: 'r', tenant: 'default', session: undefined } as never
    const sequence = nameOperation(NAMING, contractOf({ identity: 'sequence' }), { ref: 'a' }, {}, run, undefined, 3)
    const error = keyReused(sequence, recordOf('committed', { input: '{"ref":"b"}' }))
    expect(facts(error)).toMatchObject({ code: 'DIVERGED', details: { fields: ['ref'] } })
    expect(error?.message).toContain('Call 3 of place_order')
  })
})

it('another major owns the operation', () => {
  const done = superseded(op, recordOf('committed', { major: 4 }))
  expect(facts(done)).toEqual({
    ...none,
    code: 'CONTRACT_SUPERSEDED',
    effect: 'done',
    key,
    ticket,
    details: { recorded: 4, wanted: 1 },
  })
  expect(done.message).toContain('which is done')
  const open = superseded(op, recordOf('executing', { major: 4 }))
  expect(open.effect).toBe('unknown')
  expect(open.message).toContain('which is not finished')
})

describe('IN_DOUBT', () => {
  it.each([
    ['keyed', 'timeout', 'by sending it again under the same key'],
    ['probe', 'timeout', 'by asking the downstream'],
    ['idempotent', 'timeout', 'by applying it again'],
    ['composite', 'timeout', 'by running it again with its recorded parts'],
    ['manual', 'timeout', 'by a person'],
    ['transactional', 'timeout', 'by a person'],
    ['keyed', 'window-closed', 'by a person'],
    ['idempotent', 'precondition-failed', 'by a person'],
  ] as const)('of a %s tool after %s is settled %s', (recovery, reason, how) => {
    const cause = new Error('why')
    const error = inDoubt(recordOf('in-doubt', { recovery, reason }), cause)
    expect(facts(error)).toEqual({
      ...none,
      code: 'IN_DOUBT',
      effect: 'unknown',
      key,
      ticket,
      details: { reason, recovery },
    })
    expect(error.message).toContain(`It will be settled ${how}`)
    expect(error.message).toContain(`Ticket ${ticket}`)
    expect(error.cause).toBe(cause)
  })

  it('tells who closed it', () => {
    const closedBy = { who: 'ada', note: 'n' }
    expect(inDoubt(recordOf('abandoned', { closedBy })).message).toContain('A person (ada) closed it')
    expect(inDoubt(recordOf('abandoned')).message).toContain('It will be settled')
    expect(inDoubt(recordOf('in-doubt', { closedBy })).message).toContain('It will be settled')
  })
})

it('IN_PROGRESS asks to wait', () => {
  const about = { code: 'IN_PROGRESS', effect: 'unknown', retryable: true, retryAfterMs: 70, key: op.key }
  const its = op.key.slice(4, 16)
  expect(facts(inProgress(recordOf('executing'), op, 70))).toEqual({
    ...about,
    ticket: its,
    details: { state: 'executing' },
  })
  expect(facts(inProgress(undefined, op, 70))).toEqual({ ...about, ticket: its, details: { state: undefined } })
})

it('a closed record that holds no answer says what became of it; every other says nothing', () => {
  const answers = Object.fromEntries(STATES.map((state) => [state, closedAnswer(recordOf(state))]))
  const about = { ...none, key, ticket }
  expect(Object.keys(answers).filter((state) => answers[state] !== undefined)).toEqual([
    'compensating',
    'compensated',
    'abandoned',
    'expired',
    'superseded',
  ])
  expect(facts(answers['expired'])).toEqual({ ...about, code: 'RESULT_EXPIRED', effect: 'done' })
  for (const change of [{ reason: 'timeout' }, { openSends: 1 }] as const) {
    const unknown = closedAnswer(recordOf('expired', change))
    expect(unknown?.effect).toBe('unknown')
    expect(unknown?.message).toContain('may have been done')
  }
  expect(answers['expired']?.message).toContain('was done, and')
  expect(facts(answers['compensated'])).toEqual({
    ...about,
    code: 'COMPENSATED',
    effect: 'none',
    details: { state: 'compensated' },
  })
  expect(facts(answers['compensating'])).toEqual({
    ...about,
    code: 'COMPENSATED',
    effect: 'unknown',
    details: { state: 'compensating' },
  })
  expect(answers['compensated']?.message).toContain('was done and then undone.')
  expect(answers['compensating']?.message).toContain(
    'was done, and its undo has begun: whether that is done is not known.',
  )
  expect(facts(answers['abandoned'])).toMatchObject({ code: 'IN_DOUBT', key, ticket })
  expect(facts(answers['superseded'])).toEqual({ ...about, code: 'CONTRACT_SUPERSEDED', effect: 'unknown' })
})

it('REJECTED says why, and whether the same call may be made again', () => {
  const cause = new Error('no funds')
  const final = rejected('pay', key, cause, false)
  expect(facts(final)).toEqual({ ...none, code: 'REJECTED', effect: 'none', key, ticket: undefined })
  expect(final.message).toContain('no funds. It may be called again with corrected input')
  expect(final.cause).toBe(cause)
  const unsent = rejected('pay', key, 'text', true)
  expect(unsent.retryable).toBe(true)
  expect(unsent.message).toContain('it was refused. Nothing was sent')
})

it('CANCELLED tells whether the work goes on', () => {
  expect(facts(cancelled('pay', key, false))).toEqual({
    ...none,
    code: 'CANCELLED',
    effect: 'none',
    key,
    ticket: undefined,
  })
  const running = cancelled('pay', key, true)
  expect(facts(running)).toEqual({
    ...none,
    code: 'CANCELLED',
    effect: 'unknown',
    key,
    ticket,
    details: { running: true },
  })
  expect(running.message).toContain(ticket)
})

it('a notice names the next occurrence', () => {
  expect(noticeOf(recordOf('committed', { occurrence: 4 }))).toContain('occurrence 5')
})
