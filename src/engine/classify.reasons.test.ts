import { expect, it } from 'vitest'
import { coded, contractOf } from '../../test/mutation/bench.ts'
import {
  AnsweredError,
  classifyFailure,
  describe as describeError,
  storedError,
  UnsentError,
  type Send,
} from './classify.ts'
import { encode } from './codec.ts'
import { OnefoldError } from '../error/index.ts'

const verdict = (error: unknown, sends: readonly Send[] = [], errors: readonly object[] = []) =>
  classifyFailure(contractOf({ errors }), error, sends)
const caused = (cause: unknown): Error => new Error('wrapped', { cause })

it.each([
  ['server-error', coded(500), []],
  ['server-error', coded(599), []],
  ['threw', coded(499), []],
  ['threw', coded(600), []],
  ['server-error', Object.assign(new Error('x'), { status: 502 }), []],
  ['server-error', Object.assign(new Error('x'), { statusCode: 502 }), []],
  ['server-error', caused({ status: 502 }), []],
  ['server-error', new Error('x'), [{ state: 'answered', status: 500 }]],
  ['threw', new Error('x'), [{ state: 'answered', status: 499 }]],
  ['threw', new Error('x'), [{ state: 'answered' }]],
  ['threw', new Error('x'), [{ state: 'sent', status: 503 }]],
  ['server-error', new Error('x'), [{ state: 'sent' }, { state: 'answered', status: 503 }]],
  ['threw', new Error('x'), [{ state: 'answered', status: 503 }, { state: 'sent' }]],
  ['reset', coded('EPIPE'), []],
  ['reset', coded('UND_ERR_SOCKET'), []],
  ['timeout', coded('ETIMEDOUT'), []],
  ['timeout', coded('UND_ERR_HEADERS_TIMEOUT'), []],
  ['timeout', caused(coded('ETIMEDOUT')), []],
  ['timeout', { name: 'TimeoutError' }, []],
  ['timeout', { type: 'TimeoutError' }, []],
  ['upstream-died', { code: 'UPSTREAM_DIED' }, []],
  ['unreadable-answer', coded('HPE_INVALID_CONSTANT'), []],
  ['threw', coded('XHPE_'), []],
  ['reset', 'ECONNRESET', []],
  ['threw', null, []],
  ['threw', undefined, []],
  ['answered-error', new AnsweredError('x', { status: 503 }), [{ state: 'answered', status: 503 }]],
] as const)('a doubt is called %s by what is known: %o, %j', (reason, error, sends) => {
  expect(verdict(error, sends as readonly Send[])).toEqual({ kind: 'doubt', reason, evidence: describeError(error) })
})

it('what proves that nothing was sent', () => {
  const cause = coded('ECONNREFUSED')
  const unsent: Send = { state: 'unsent', error: cause }
  expect(verdict(new UnsentError('x'))).toEqual({ kind: 'unsent' })
  // Before any mapping of the contract.
  expect(verdict(new UnsentError('x'), [], [{ match: () => true, effect: 'done' }])).toEqual({ kind: 'unsent' })
  expect(verdict(caused(caused(cause)), [unsent]).kind).toBe('unsent')
  expect(verdict(caused({ cause }), [unsent]).kind).toBe('doubt')
  expect(verdict(caused(null), [{ state: 'unsent', error: null }]).kind).toBe('doubt')
  expect(verdict(cause, [unsent, { state: 'unsent', error: new Error('other') }]).kind).toBe('unsent')
  expect(verdict(new Error('none of these'), [unsent]).kind).toBe('doubt')
  // A contract that calls it unknown is believed.
  expect(verdict(cause, [unsent], [{ match: 'ECONNREFUSED', effect: 'unknown' }]).kind).toBe('doubt')
  const circular = new Error('circle')
  circular.cause = circular
  expect(verdict(circular, [unsent]).kind).toBe('doubt')
  let deep: Error = cause
  for (let level = 0; level < 15; level += 1) deep = caused(deep)
  expect(verdict(deep, [unsent]).kind).toBe('unsent')
  expect(verdict(caused(deep), [unsent]).kind).toBe('doubt')
})

it('a refusal counts only as the one answer that there was', () => {
  const error = new Error('refused')
  const rejected = { kind: 'rejected', error: { name: 'Error', message: 'refused', text: encode(error) } }
  expect(verdict(error, [{ state: 'answered', status: 400 }])).toEqual(rejected)
  expect(verdict(error, [{ state: 'answered', status: 422 }])).toEqual(rejected)
  expect(verdict(error, [{ state: 'sent', status: 400 }]).kind).toBe('doubt')
  expect(
    verdict(error, [
      { state: 'answered', status: 400 },
      { state: 'answered', status: 400 },
    ]).kind,
  ).toBe('doubt')
  expect(verdict(error, [{ state: 'answered', status: 400 }], [{ match: 'Error', effect: 'unknown' }]).kind).toBe(
    'doubt',
  )
})

it('a contract’s mapping: the first that matches, over the answer where there is one', () => {
  const maps = [
    { match: 'A', effect: 'unknown' },
    { match: 'A', effect: 'done' },
    { match: (error: unknown) => error === 'B', effect: 'done' },
    { match: 404, effect: 'none' },
  ]
  expect(verdict(coded('A'), [], maps).kind).toBe('doubt')
  expect(verdict('B', [], maps)).toEqual({ kind: 'done' })
  expect(verdict(coded(404), [], maps).kind).toBe('rejected')
  expect(verdict(new AnsweredError('x', 404), [], maps)).toMatchObject({
    kind: 'rejected',
    error: { name: 'AnsweredError', message: 'x', text: '404' },
  })
  expect(verdict(Object.assign(new AnsweredError('x', {}), { code: 'A' }), [], [maps[1]!]).kind).toBe('done')
  expect(verdict(new AnsweredError('x', 'B'), [], maps).kind).toBe('done')
  for (const field of ['code', 'status', 'statusCode', 'name', 'type'])
    expect(verdict({ [field]: 'A' }, [], [maps[1]!])).toEqual({ kind: 'done' })
})

it('a predicate that answers later recognises nothing, and nothing else is taken for it', async () => {
  const refused: readonly Send[] = [{ state: 'answered', status: 422 }]
  for (const effect of ['none', 'done', 'unknown'])
    for (const match of [async () => true, async () => false, () => Promise.reject(new Error('bug'))])
      expect(
        verdict(new Error('x'), refused, [
          { match, effect },
          { match: 'Error', effect: 'none' },
        ]).kind,
      ).toBe('doubt')
  await Promise.resolve()
  expect(verdict(new Error('x'), [], [{ match: () => undefined, effect: 'none' }]).kind).toBe('doubt')
  expect(verdict(new Error('x'), [], [{ match: () => 'yes', effect: 'none' }]).kind).toBe('rejected')
})

it('evidence holds names and codes', () => {
  expect(describeError(new OnefoldError('CANCELLED', 'x'))).toBe('OnefoldError CANCELLED')
  expect(describeError(coded(7))).toBe('Error 7')
  expect(describeError(Object.assign(new Error('x'), { code: {} }))).toBe('Error')
  expect(describeError(undefined)).toBe('thrown undefined')
})

it('a refusal is stored as it can be', () => {
  expect(storedError('text')).toEqual({ name: 'Error', message: 'text', text: '"text"' })
  expect(storedError(new TypeError('x'))).toEqual({ name: 'TypeError', message: 'x', text: encode(new TypeError('x')) })
  expect(storedError(Object.assign(new Error('x'), { call: () => 1 }))).toEqual({ name: 'Error', message: 'x' })
  const bare = Object.assign(Object.create(null) as object, { code: 'SOLD_OUT' })
  expect(storedError(bare)).toEqual({ name: 'Error', message: 'object', text: encode(bare) })
  expect(new AnsweredError('x', 1)).toMatchObject({ name: 'AnsweredError', answer: 1, message: 'x' })
  expect(new UnsentError('x').name).toBe('UnsentError')
})
