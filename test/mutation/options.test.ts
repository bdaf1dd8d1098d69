import { describe, expect, it } from 'vitest'
import { knownOptions } from '../../src/contract/index.ts'
import { knownTenant } from '../../src/engine/call-options.ts'
import { ownerOf, stillKept } from '../../src/engine/kept-bytes.ts'
import { thrownBy } from '../vectors/attempt.ts'
import { bench, coded, facts, refusalOf } from './bench.ts'

const wrong = (message: string | RegExp, code = 'CONFIG_INVALID') => ({
  code,
  message: expect.stringMatching(message) as string,
})

describe('a run from plain JavaScript', () => {
  it.each(['id', 'tenant', 'session', 'traceparent'])('whose %s is a number does no work', async (name) => {
    const { guard } = bench()
    let runs = 0
    const work = (): number => (runs += 1)
    expect(await refusalOf(guard.run({ [name]: 7 } as never, work))).toMatchObject(
      wrong(`The ${name} of guard.run is a text and was given as number`),
    )
    expect(runs).toBe(0)
    expect(await guard.run({ [name]: null } as never, work)).toBe(1)
  })

  it('without work is refused, and with an option that there is not', async () => {
    const { guard } = bench()
    expect(await refusalOf(guard.run({ id: 'r' }, undefined as never))).toMatchObject(wrong('no work to do'))
    expect(await refusalOf(guard.run({ tenent: 'r' } as never, () => 1))).toMatchObject(wrong('Did you mean tenant'))
  })
})

describe('the tenant of a guard', () => {
  it.each(['', 7, {}])('is not %j', (tenant) => {
    expect(thrownBy(() => knownTenant(tenant))).toMatchObject(wrong('This is no tenant'))
  })

  it('is its name, else the default', () => {
    expect(['acme', undefined, null].map(knownTenant)).toEqual(['acme', 'default', 'default'])
  })
})

describe('a call from plain JavaScript', () => {
  it('is refused with a misspelt option, not with those of a framework that calls it', async () => {
    const b = bench()
    const tool = b.tool()
    for (const [misspelt, meant] of [
      ['occurence', 'occurrence'],
      ['rum', 'run'],
      ['signa', 'signal'],
    ])
      expect(await refusalOf(tool({ ref: 'a' }, { [misspelt as string]: 2 } as never))).toMatchObject(
        wrong(`Did you mean ${meant}`),
      )
    expect(b.downstream.log).toEqual([])
    for (const options of [{ runId: 'r', config: {} }, { runId: 'r' }, { toolCallId: 'c' }])
      expect(await b.until(tool({ ref: 'a' }, options as never))).toEqual({ id: 1, ref: 'a' })
    expect(b.downstream.log).toEqual(['a:ok'])
  })

  it.each(['30s', Number.NaN, -1])('is refused where it may wait %s ms', async (waitMs) => {
    const b = bench()
    const tool = b.tool()
    expect(await refusalOf(tool({ ref: 'a' }, { waitMs } as never))).toMatchObject(
      wrong('waitMs of a call must be a number of at least 0'),
    )
    expect(b.downstream.log).toEqual([])
    expect(await b.until(tool({ ref: 'a' }, { waitMs: null } as never))).toEqual({ id: 1, ref: 'a' })
  })

  it('is refused so however many names of others came before', async () => {
    const b = bench()
    const tool = b.tool()
    const names = Array.from({ length: 1_100 }, (_, n) => [`framework-has-its-own-${n}`, n])
    await b.until(tool({ ref: 'a' }, Object.fromEntries(names) as never))
    await b.until(tool({ ref: 'a' }, { 'framework-has-its-own-1099': 1 } as never))
    expect(await refusalOf(tool({ ref: 'a' }, { waitMS: 1 } as never))).toMatchObject(wrong('Did you mean waitMs'))
  })
})

describe('options', () => {
  const names = { limit: 'number' } as never
  const given = (limit: unknown) => thrownBy(() => knownOptions('it', { limit }, names))

  it.each([
    [Number.NaN, 'NaN'],
    [-1, '-1'],
    ['3s', '"3s"'],
    [() => 1, 'function'],
    ['x'.repeat(100), `"${'x'.repeat(63)}\\.`],
  ])('take no %s for a number', (limit, shown) => {
    expect(given(limit)).toMatchObject(wrong(`limit of it must be a number of at least 0, not ${shown}`))
  })

  it.each([0, 0.5, undefined])('take %s', (limit) => expect(given(limit)).toBeUndefined())
})

describe('an event that is never told', () => {
  it('is refused with the one that was meant', () => {
    const { guard } = bench()
    expect(thrownBy(() => guard.on('alarms' as never, () => undefined))).toMatchObject(wrong('Did you mean alarm'))
  })
})

describe('a verdict from plain JavaScript', () => {
  it('that there is not changes nothing', async () => {
    const b = bench()
    const tool = b.tool()
    b.downstream.plan('a', 'lose-answer')
    await refusalOf(b.until(tool({ ref: 'a' })))
    const { key } = b.record(tool, { ref: 'a' })!
    const verdict = { verdict: 'toString', who: 'ada', note: 'n' } as never
    expect(await refusalOf(b.guard.ledger.resolve(key, verdict))).toMatchObject(
      wrong('A verdict is one of committed, released, abandoned', 'INPUT_INVALID'),
    )
    expect(b.recordOf(key)?.state).toBe('in-doubt')
  })
})

describe('steps of a saga from plain JavaScript', () => {
  const b = bench()
  const tool = b.tool()
  const input = (order: { ref: string }) => order
  it.each([
    ['no list', { tool, input }, 'has no list of steps'],
    ['no tool', [{ tool: () => 1, input }], 'Step 1 of saga s has no protected tool'],
    ['a named step of no tool', [{ name: 'pay', input }], 'Step pay of saga s has no protected tool'],
    ['no input', [{ tool, input: { ref: 'a' } }], 'Step place_order of saga s has no input'],
    ['an undo by another word', [{ tool, input, undo: 'refund' }], 'cannot be undone by "refund"'],
    [
      'an undo of no tool',
      [{ tool, input, undo: { input } }],
      'The undo of step place_order of saga s has no protected tool',
    ],
    ['an undo without input', [{ tool, input, undo: { tool } }], 'The undo of step place_order of saga s has no input'],
  ])('are refused with %s', (_what, steps, message) => {
    expect(thrownBy(() => b.guard.saga('s', steps as never))).toMatchObject(wrong(message, 'CONTRACT_INVALID'))
  })

  it('may be undone by nothing', async () => {
    const saga = b.guard.saga('s', [{ tool, input, undo: 'none' }] as never)
    expect(await b.until(saga({ ref: 'a' } as never))).toMatchObject({ status: 'done' })
  })
})

describe('bytes beside a record', () => {
  const kept = { sha256: 's', bytes: new Uint8Array([1]) }
  const owner = ownerOf({ key: 'k', run: { id: 'r', tenant: 't', session: undefined } })

  it('belong to the operation of a tenant, which the run tells', () => {
    expect(owner).toEqual({ key: 'k', tenant: 't' })
    expect(ownerOf({ key: 'k', run: undefined })).toEqual({ key: 'k', tenant: '' })
  })

  it('are kept again where they are gone, and only there', async () => {
    const put: unknown[] = []
    const putBlob = async (...args: readonly unknown[]): Promise<void> => void put.push(args)
    await stillKept({ getBlob: async () => kept.bytes, putBlob }, owner, kept)
    expect(put).toEqual([])
    await stillKept({ getBlob: async () => undefined, putBlob }, owner, kept)
    expect(put).toEqual([[owner, 's', kept.bytes]])
  })

  it('that cannot be kept let nothing be sent', async () => {
    const cause = coded('ENOSPC')
    const putBlob = () => Promise.reject(cause)
    const error = await refusalOf(stillKept({ getBlob: async () => undefined, putBlob }, owner, kept))
    expect(facts(error)).toMatchObject({ thrown: { name: 'UnsentError', cause } })
  })
})
