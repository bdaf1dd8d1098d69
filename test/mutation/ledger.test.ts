import { describe, expect, it } from 'vitest'
import { thrownBy } from '../vectors/attempt.ts'
import { bench, refusalOf, type Bench } from './bench.ts'

async function recorded(refs: readonly string[]) {
  const b = bench()
  const tool = b.tool()
  for (const ref of refs) await b.until(tool({ ref }))
  return { b, tool, keyOf: (ref: string) => b.guard.internals.name(tool.contract, { ref }).key }
}

/** What is asked of the store while `look` runs. */
async function askedBy(b: Bench, look: () => Promise<unknown>): Promise<readonly string[]> {
  const verbs: string[] = []
  b.trouble.request = (verb) => void verbs.push(verb)
  await look().catch(() => undefined)
  b.trouble.request = () => undefined
  return verbs
}

describe('looking an operation up', () => {
  it('reads it by its key, and searches by less than that', async () => {
    const { b, keyOf } = await recorded(['a', 'b'])
    const { ledger, internals } = b.guard
    const key = keyOf('a')
    for (const name of [key, key.slice(4)])
      expect(await askedBy(b, () => ledger.show(name))).toEqual(['read', 'history'])
    expect(await askedBy(b, () => ledger.show(key.slice(4, 16)))).toEqual(['list', 'history'])
    expect(await askedBy(b, () => internals.operators.show(key, 'default'))).toEqual(['read', 'history'])
    expect(await askedBy(b, () => internals.operators.show(key))).toEqual(['list', 'history'])
  })

  it('of another tenant finds nothing, whatever is given', async () => {
    const { b, keyOf } = await recorded(['a'])
    for (const name of [keyOf('a'), keyOf('a').slice(4, 16)])
      expect(await refusalOf(b.guard.ledger.show(name, 'other'))).toMatchObject({ code: 'KEY_INVALID' })
  })

  it('that two tenants have is refused to operators who name none', async () => {
    const { b, tool, keyOf } = await recorded(['a'])
    await b.until(b.guard.run({ tenant: 'other' }, () => tool({ ref: 'a' })))
    const { operators } = b.guard.internals
    const keys = (await operators.list()).records.map(({ key }) => key)
    expect(keys).toContain(keyOf('a'))
    expect(keys).toHaveLength(2)
    expect(await refusalOf(operators.show('of1_'))).toMatchObject({ code: 'KEY_INVALID' })
    expect((await operators.show('of1_', 'other')).record.tenant).toBe('other')
  })
})

describe('an export', () => {
  it('begins where it is told to, and goes on from there', async () => {
    const { b, keyOf } = await recorded(['a', 'b', 'c'])
    const { next } = await b.guard.ledger.list({ limit: 1 })
    const found: string[] = []
    for await (const { record } of b.guard.ledger.export({ limit: 1, after: next ?? '' })) found.push(record.key)
    expect(found).toEqual([keyOf('b'), keyOf('c')])
  })
})

describe('a person’s word', () => {
  const doubt = async () => {
    const b = bench({ settings: { inlineResultBytes: 10 } })
    const tool = b.tool()
    b.downstream.plan('a', 'lose-answer')
    const { key } = await refusalOf(b.until(tool({ ref: 'a' })))
    return { b, tool, key: key ?? '' }
  }
  const value = { id: 9, ref: 'a long one' }

  it('with a long result keeps it beside the record', async () => {
    const { b, tool, key } = await doubt()
    const said = { verdict: 'committed', who: 'me', note: 'n', value } as const
    const verbs = await askedBy(b, () => b.guard.ledger.resolve(key, said))
    expect(verbs).toEqual(['read', 'putBlob', 'read', 'write'])
    expect(b.recordOf(key)?.outcome?.kind).toBe('value')
    expect(await b.until(tool({ ref: 'a' }))).toEqual(value)
  })

  it('that it is not known, or that nothing happened, keeps no result', async () => {
    for (const verdict of ['abandoned', 'released'] as const) {
      const { b, key } = await doubt()
      await b.time.advance(60_000)
      const said = { verdict, who: 'me', note: 'n', value }
      expect(await askedBy(b, () => b.guard.ledger.resolve(key, said))).toEqual(['read', 'read', 'write'])
      expect(b.recordOf(key)).toMatchObject({ state: verdict, outcome: undefined })
    }
  })
})

describe('a store that refuses every class', () => {
  it('takes tools that only read', () => {
    const b = bench()
    const guard = b.guard.internals.twin((given) => ({
      ...given,
      store: { ...b.inner, refuses: () => 'it is broken' },
    }))
    const options = { name: 'x', input: b.tool().contract.input, execute: () => 1 }
    const written = { ...options, name: 'y', effect: 'write', identity: 'all', recovery: { class: 'manual' } }
    expect(thrownBy(() => guard.tool({ ...options, effect: 'read' } as never))).toBeUndefined()
    expect(thrownBy(() => guard.tool(written as never))).toMatchObject({ code: 'STORE_UNSAFE' })
  })
})
