import { describe, expect, it } from 'vitest'
import { recordIn } from '../../test/explore/machine-fixture.ts'
import { contractOf, facts } from '../../test/mutation/bench.ts'
import { thrownBy } from '../../test/vectors/attempt.ts'
import { nameOperation } from './operation.ts'
import { doubtful, outcomeOf, provisional } from './told.ts'

const naming = { defaultTenant: 'default', keySecret: undefined, previousSecrets: [], maxInputBytes: 10_000 }
const op = nameOperation(naming, contractOf(), { ref: 'a' }, {}, undefined, undefined, undefined)
const outcome = { kind: 'value', text: '{"id":1}', sha256: 'x', size: 8 } as const
const record = recordIn('committed', { key: op.key, attempts: 3, outcome })
const value = { id: 1 }

describe('what a caller of a finished operation is told', () => {
  const told = {
    status: 'committed',
    value,
    error: undefined,
    key: op.key,
    ticket: op.key.slice(4, 16),
    attempts: 3,
    recorded: true,
    missing: undefined,
    record,
  }
  const settled = { kind: 'committed', record, value, fresh: true, recorded: true } as const

  it('who started it: its own value', () => {
    const own = outcomeOf(settled, op, false)
    expect(own).toEqual({ ...told, replayed: false, joined: false, notice: undefined })
    expect(own.value).toBe(value)
  })

  it('who joined it: an equal copy', () => {
    const joined = outcomeOf(settled, op, true)
    expect(joined).toEqual({ ...told, replayed: true, joined: true, notice: expect.stringContaining('occurrence 2') })
    expect(joined.value).not.toBe(value)
    const blob = { ...record, outcome: { kind: 'value', sha256: 'x', size: 8, blob: true } as const }
    expect(outcomeOf({ ...settled, record: blob }, op, true).value).toBe(value)
    expect(outcomeOf({ ...settled, record: { ...record, outcome: undefined } }, op, true).value).toBe(value)
  })

  it('who came later: a replay, with what is missing', () => {
    expect(outcomeOf({ ...settled, fresh: false, recorded: false, missing: 'gone' }, op, false)).toEqual({
      ...told,
      replayed: true,
      joined: false,
      recorded: false,
      missing: 'gone',
      notice: expect.stringContaining('occurrence 2'),
    })
  })

  it('an error that means done is no value', () => {
    const failed = { ...record, outcome: { ...outcome, kind: 'error' as const } }
    expect(outcomeOf({ ...settled, kind: 'accepted', record: failed }, op, false)).toMatchObject({
      status: 'accepted',
      value: undefined,
      error: value,
    })
  })
})

describe('what a caller of an operation in doubt is told', () => {
  const doubted = recordIn('in-doubt', { key: op.key, attempts: 2 })

  it('an error, with its cause', () => {
    const cause = new Error('x')
    for (const onDoubt of ['throw', 'wait', undefined] as const) {
      const error = thrownBy(() => doubtful(doubted, cause, { onDoubt })) as Error
      expect(facts(error)).toMatchObject({ code: 'IN_DOUBT' })
      expect(error.cause).toBe(cause)
    }
  })

  it('the outcome where it asked for it', () => {
    const cause = new Error('x')
    const told = {
      status: 'in-doubt',
      value: undefined,
      joined: false,
      key: op.key,
      ticket: op.key.slice(4, 16),
      attempts: 2,
      recorded: true,
      notice: undefined,
      missing: undefined,
      record: doubted,
    }
    expect(doubtful(doubted, cause, { onDoubt: 'return' })).toEqual({ ...told, error: cause, replayed: false })
    const repeated = doubtful(doubted, undefined, { onDoubt: 'return' })
    expect(repeated).toEqual({ ...told, error: expect.objectContaining({ code: 'IN_DOUBT' }) as Error, replayed: true })
  })
})

it('an operation that executes here is compared by what it was named', () => {
  expect(provisional({ op })).toEqual({
    ...op.descriptor,
    key: op.key,
    state: 'executing',
    revision: 0,
    fence: 0,
    nonce: '',
    writeId: '',
    owner: '',
    generation: 0,
    attempts: 1,
    recoveries: 0,
    openSends: 0,
    leaseUntil: 0,
    firstSendAt: 0,
    doubtAt: 0,
    createdAt: 0,
    updatedAt: 0,
    input: '{"ref":"a"}',
    outcome: undefined,
    error: undefined,
    reason: undefined,
    evidence: [],
    round: 0,
    children: [],
    delivered: false,
    closedBy: undefined,
  })
})
