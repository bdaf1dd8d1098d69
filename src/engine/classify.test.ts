import { describe, expect, it } from 'vitest'
import { defineContract, manual, type AnyToolOptions, type ErrorMapping } from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'
import {
  AnsweredError,
  classifyFailure,
  describe as describeError,
  storedError,
  UnsentError,
  type Send,
} from './classify.ts'

const contract = (errors: readonly ErrorMapping[] = []) =>
  defineContract({
    name: 'send',
    input: { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) } },
    effect: 'write',
    identity: 'all',
    recovery: manual(),
    execute: () => 1,
    errors,
  } as unknown as AnyToolOptions)

const verdict = (error: unknown, sends: readonly Send[] = [], errors: readonly ErrorMapping[] = []) =>
  classifyFailure(contract(errors), error, sends)
const coded = (code: string): Error => Object.assign(new Error(code), { code })

describe('an attempt that threw after its marker', () => {
  it('is doubt by default, whatever the class of the error', () => {
    for (const error of [
      new Error('x'),
      coded('ECONNREFUSED'),
      new OnefoldError('CANCELLED', 'x'),
      'text',
      undefined,
    ]) {
      expect(verdict(error).kind).toBe('doubt')
    }
  })

  it('is proven unsent only by the error of a send that never left, when no other did', () => {
    const refused = coded('ECONNREFUSED')
    expect(verdict(refused, [{ state: 'unsent', error: refused }]).kind).toBe('unsent')
    expect(verdict(new Error('wrapped', { cause: refused }), [{ state: 'unsent', error: refused }]).kind).toBe('unsent')
    expect(verdict(new Error('another'), [{ state: 'unsent', error: refused }]).kind).toBe('doubt')
    expect(verdict(refused, [{ state: 'sent' }, { state: 'unsent', error: refused }]).kind).toBe('doubt')
    expect(
      verdict(refused, [
        { state: 'answered', status: 200 },
        { state: 'unsent', error: refused },
      ]).kind,
    ).toBe('doubt')
  })

  it('is rejected by the only answer when that is 400 or 422, and by nothing less', () => {
    const error = new Error('refused')
    for (const status of [400, 422]) expect(verdict(error, [{ state: 'answered', status }]).kind).toBe('rejected')
    for (const status of [401, 404, 409, 429, 500, 503])
      expect(verdict(error, [{ state: 'answered', status }]).kind).toBe('doubt')
    expect(
      verdict(error, [
        { state: 'answered', status: 200 },
        { state: 'answered', status: 400 },
      ]).kind,
    ).toBe('doubt')
  })

  it('is not rejected by an answer that says of itself that it is in doubt, however it is mapped', () => {
    const error = Object.assign(new Error('answered 422'), { status: 422 })
    const sends: readonly Send[] = [{ state: 'answered', status: 422, isDoubtful: true }]
    expect(verdict(error, sends).kind).toBe('doubt')
    expect(verdict(error, sends, [{ match: 422, effect: 'none' }]).kind).toBe('doubt')
    expect(verdict(error, sends, [{ match: 422, effect: 'done' }]).kind).toBe('doubt')
    // A later answer is another one's.
    const later: readonly Send[] = [...sends, { state: 'answered', status: 422 }]
    expect(verdict(error, later, [{ match: 422, effect: 'done' }]).kind).toBe('done')
  })

  it('is not rejected by an answer that the error does not come from', () => {
    const sends: readonly Send[] = [{ state: 'answered', status: 422 }]
    for (const error of [
      coded('ECONNRESET'),
      coded('ENOTFOUND'),
      coded('UND_ERR_SOCKET'),
      new DOMException('slow', 'TimeoutError'),
      new DOMException('gone', 'AbortError'),
      new Error('not paid', { cause: coded('ECONNREFUSED') }),
      Object.assign(new Error('x'), { status: 402 }),
      Object.assign(new Error('x'), { statusCode: 503 }),
      new OnefoldError('IN_DOUBT', 'another operation'),
    ])
      expect([error, verdict(error, sends).kind]).toEqual([error, 'doubt'])
    for (const error of [
      coded('EXPIRED'),
      coded('ENOTFOUND_HERE'),
      Object.assign(new Error('x'), { status: 422 }),
      Object.assign(new Error('x'), { status: 3 }),
      new Error('wrapped', { cause: Object.assign(new Error('x'), { statusCode: 422, status: 402 }) }),
      new AnsweredError('it said no', { status: 402 }),
      'text',
    ])
      expect([error, verdict(error, sends).kind]).toEqual([error, 'rejected'])
  })

  it('is not rejected by the refusal of a read, unless all sends are checked', () => {
    const sends: readonly Send[] = [{ state: 'answered', status: 422, isRead: true }]
    expect(verdict(new Error('x'), sends).kind).toBe('doubt')
    expect(classifyFailure({ ...contract(), sends: 'checked' }, new Error('x'), sends).kind).toBe('rejected')
  })

  const answered = (status: number): Send => ({ state: 'answered', status })
  const read: Send = { state: 'answered', status: 200, isRead: true }
  it.each<readonly [kind: string, sends: readonly Send[]]>([
    ['rejected', []],
    ['rejected', [{ state: 'sent' }]],
    ['rejected', [answered(200)]],
    ['rejected', [answered(503)]],
    ['rejected', [read, answered(200)]],
    ['rejected', [{ state: 'sent', isRead: true }, answered(402)]],
    ['rejected', [{ state: 'unsent' }, answered(402)]],
    ['rejected', [answered(429), answered(402), read]],
    ['rejected', [answered(409), answered(409)]],
    ['doubt', [answered(200), read]],
    ['doubt', [{ state: 'sent' }, read]],
    ['doubt', [{ state: 'sent' }, { state: 'unsent' }]],
    ['doubt', [answered(402), { state: 'sent' }]],
    ['doubt', [{ state: 'sent' }, answered(402)]],
    ...[200, 204, 303, 404, 408, 410, 425, 503].map((status) => ['doubt', [answered(status), answered(402)]] as const),
  ])('that is mapped to none is %s beside %j', (kind, sends) => {
    const errors: readonly ErrorMapping[] = [
      { match: 'DECLINED', effect: 'none' },
      { match: 409, effect: 'none' },
      { match: 404, effect: 'done' },
      { match: 410, effect: 'unknown' },
    ]
    expect(verdict(coded('DECLINED'), sends, errors).kind).toBe(kind)
  })

  it('says in its evidence why a mapped error did not count', () => {
    expect(
      verdict(coded('DECLINED'), [{ state: 'sent' }, answered(402)], [{ match: 'DECLINED', effect: 'none' }]),
    ).toEqual({ kind: 'doubt', reason: 'threw', evidence: 'Error DECLINED, beside a send that may have acted' })
  })

  it('follows the contract: code, status, name or a predicate; a predicate that throws recognises nothing', () => {
    expect(verdict(coded('DECLINED'), [], [{ match: 'DECLINED', effect: 'none' }]).kind).toBe('rejected')
    expect(verdict(Object.assign(new Error('x'), { status: 409 }), [], [{ match: 409, effect: 'done' }]).kind).toBe(
      'done',
    )
    expect(
      verdict(new Error('x'), [{ state: 'answered', status: 400 }], [{ match: 'Error', effect: 'unknown' }]).kind,
    ).toBe('doubt')
    const throws = (): boolean => {
      throw new Error('bug')
    }
    expect(verdict(new Error('x'), [], [{ match: throws, effect: 'none' }]).kind).toBe('doubt')
    expect(verdict(new Error('x'), [], [{ match: (error) => error instanceof Error, effect: 'none' }]).kind).toBe(
      'rejected',
    )
  })

  it('reads an answered error by its answer', () => {
    const answered = new AnsweredError('it said no', { code: 'SOLD_OUT' })
    expect(verdict(answered)).toMatchObject({ kind: 'doubt', reason: 'answered-error' })
    expect(verdict(answered, [], [{ match: 'SOLD_OUT', effect: 'none' }])).toMatchObject({ kind: 'rejected' })
  })

  it.each([
    ['reset', coded('ECONNRESET'), []],
    ['reset', new Error('fetch failed', { cause: coded('UND_ERR_SOCKET') }), []],
    ['timeout', new DOMException('slow', 'TimeoutError'), []],
    ['upstream-died', coded('UPSTREAM_DIED'), []],
    ['server-error', new Error('503'), [{ state: 'answered', status: 503 }]],
    ['threw', new Error('x'), []],
  ] as const)('names the doubt: %s', (reason, error, sends) => {
    expect(verdict(error, sends as readonly Send[])).toMatchObject({ kind: 'doubt', reason })
  })

  it('never puts a foreign message into the evidence', () => {
    expect(describeError(new Error('card 4242 declined'))).toBe('Error')
    expect(describeError(coded('ECONNRESET'))).toBe('Error ECONNRESET')
    expect(describeError('secret')).toBe('thrown string')
  })

  it('nor a name or a code that is no word of a program', () => {
    const named = (name: unknown, code?: unknown): Error => Object.assign(new Error('x'), { name, code })
    expect(describeError(named('card 4242 of ann@example.org', 'for ann@example.org'))).toBe('Error')
    expect(describeError(named({ of: 'ann' }, 402))).toBe('Error 402')
    expect(describeError(named('n'.repeat(65), 'c'.repeat(65)))).toBe('Error')
    expect(describeError(named('Stripe.CardError', 'card/declined'))).toBe('Stripe.CardError card/declined')
    expect(storedError(named('card 4242')).name).toBe('Error')
  })
})

describe('what adapters know about an attempt', () => {
  it('a proof that nothing was sent releases it, whatever the contract says of errors', () => {
    expect(verdict(new UnsentError('refused'), [], [{ match: () => true, effect: 'unknown' }])).toEqual({
      kind: 'unsent',
    })
  })

  it('a status of 500 and more, and an answer that is no HTTP, are named as such', () => {
    expect(verdict(Object.assign(new Error('x'), { status: 504 }))).toMatchObject({ reason: 'server-error' })
    expect(verdict(Object.assign(new Error('x'), { status: 404 }))).toMatchObject({ reason: 'threw' })
    expect(verdict(coded('HPE_INVALID_CONSTANT'))).toMatchObject({ reason: 'unreadable-answer' })
  })
})
