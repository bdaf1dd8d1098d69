import assert from 'node:assert/strict'
import { WHO, assertSame, listed, counted, type Bench } from './bench.ts'
import { group, type Case } from './case.ts'

/** Text that a store may trip over, by what it is. */
const ODD: Readonly<Record<string, string>> = {
  'the empty text': '',
  'one space': ' ',
  'spaces around': '  a  ',
  'a NUL': 'a\0b',
  'only a NUL': '\0',
  'control characters': '\u0001\u001b[31m\u007f',
  'line breaks': 'a\r\nb\nc\u2028d',
  'quotes and backslashes': `'"\`\\"'`,
  braces: '{[(<$1 %s ${x} {{y}}>)]}',
  emoji: '👩‍👩‍👧‍👦🏳️‍🌈',
  'right to left': 'שלום ‮abc',
  'combining marks': 'e\u0301',
  'a composed letter': '\u00e9',
  'a high surrogate alone': '\ud800',
  'a low surrogate alone': '\udfff',
  'the replacement character': '\ufffd',
  'beyond the basic plane': '\u{10ffff}',
  'an SQL injection': `'; DROP TABLE records; --`,
  'an SQL wildcard': '%_*?',
  'a Lua injection': `"] redis.call('FLUSHALL') --`,
  'a protocol frame': '*1\r\n$8\r\nFLUSHALL\r\n',
  'a hash tag': '{a}:{b}',
  'a path': '../../etc/passwd',
  'a prototype name': '__proto__',
  'JSON null': 'null',
  'a number': '1e309',
  'an operation key in capitals': `OF1_${'A'.repeat(43)}`,
  'an operation key that is none': `of1_${'A'.repeat(42)}B`,
  '3,000 characters': 'ab'.repeat(1500),
}

const BOUNDARY_LENGTHS = [1, 30, 31, 32, 33, 42, 43, 44, 47, 48, 63, 64, 65, 127, 128, 255, 256, 257, 1024]

async function claimUnder(bench: Bench, key: string): Promise<void> {
  const record = await bench.claim(key)
  assert.equal(record.key, key)
  assertSame(await bench.record(key), record)
  const page = await listed(bench, { tenant: bench.tenant })
  assert.ok(page.records.some((one) => one.key === key))
}

const each = (what: string, run: (bench: Bench, text: string) => Promise<void>): readonly Omit<Case, 'group'>[] =>
  Object.entries(ODD).map(([name, odd]) => ({ name: `${name} as ${what}`, run: (bench) => run(bench, odd) }))

/** Keys, tenants and contents of any text come back as they were, and never meet. */
export const text: readonly Case[] = group('odd text', [
  ...each('a key', claimUnder),
  ...each('a tenant', async (bench, odd) => {
    const tenant = `${bench.tenant}${odd}`
    const there = bench.on(bench.store, tenant)
    const record = await there.claim(bench.key())
    assert.equal(record.tenant, tenant)
    assertSame(await there.record(record.key), record)
    assert.deepEqual(
      (await listed(bench, { tenant })).records.map((one) => one.key),
      [record.key],
    )
    assert.deepEqual((await counted(bench, tenant)).states, { claimed: 1 })
  }),
  ...each('content', async (bench, odd) => {
    const descriptor = bench.descriptor({ tool: odd, run: odd, session: odd, call: odd, fingerprint: odd })
    const key = bench.key()
    const parent = { key: odd, fence: 1, ordinal: 2 }
    const record = await bench.claim(key, {
      mark: true,
      input: odd,
      who: odd,
      nonce: odd,
      descriptor: { ...descriptor, parent },
    })
    assertSame(await bench.record(key), record)
    const rejected = await bench.apply(key, {
      type: 'reject',
      fence: record.fence,
      nonce: odd,
      who: odd,
      why: odd,
      error: { name: odd, message: odd, text: odd },
    })
    assertSame(await bench.record(key), rejected.record)
    const [, event] = await bench.store.history(key, bench.tenant)
    assert.deepEqual([event?.who, event?.why, event?.nonce], [odd, odd, odd])
    assert.deepEqual(
      (await listed(bench, { tenant: bench.tenant, tool: odd, run: odd })).records.map((one) => one.key),
      [key],
    )
  }),
  ...each('a result', async (bench, odd) => {
    const record = await bench.reach('executing')
    const outcome = { kind: 'value', text: odd, sha256: odd, size: odd.length } as const
    const committed = await bench.apply(record.key, {
      type: 'commit',
      fence: record.fence,
      nonce: record.nonce,
      who: WHO,
      outcome,
    })
    assert.deepEqual(committed.record?.outcome, outcome)
    assert.deepEqual((await bench.record(record.key)).outcome, outcome)
  }),
  {
    name: 'keys that look alike do not meet',
    async run(bench) {
      const keys = [
        ...Object.values(ODD),
        'A',
        'a',
        'a ',
        ' a',
        'a\0',
        'é',
        'e\u0301',
        '\ud800a',
        '\ud801a',
        '\udfffa',
        '\ufffda',
        'ß',
        'ss',
        '1',
        '01',
        '1.0',
      ].filter((key, n, all) => all.indexOf(key) === n)
      for (const key of keys) await bench.claim(key)
      for (const key of keys) assert.equal((await bench.record(key)).key, key)
      const page = await listed(bench, { tenant: bench.tenant, limit: 1000 })
      assert.deepEqual(
        page.records.map((record) => record.key),
        keys,
      )
    },
  },
  {
    name: 'tenants that look alike do not meet',
    async run(bench) {
      const key = bench.key()
      const tenants = ['x', 'X', 'x ', 'x\0', '\ud800', '\ud801', '\ufffd', 'é', 'e\u0301'].map(
        (end) => `${bench.tenant}${end}`,
      )
      for (const tenant of tenants) await bench.on(bench.store, tenant).claim(key)
      for (const tenant of tenants) assert.equal((await bench.on(bench.store, tenant).record(key)).tenant, tenant)
    },
  },
  {
    name: 'a tenant and a key do not run into one another',
    async run(bench) {
      const one = bench.on(bench.store, `${bench.tenant}:1`)
      const two = bench.on(bench.store, `${bench.tenant}:11`)
      await one.claim('1:k')
      assert.equal((await two.read(':k')).record, undefined)
      assert.equal((await two.read('1:k')).record, undefined)
      assert.equal((await two.read('k')).record, undefined)
    },
  },
  ...BOUNDARY_LENGTHS.map((length) => ({
    name: `keys of ${length} characters that differ in the last one`,
    async run(bench: Bench) {
      for (const [filling, lasts] of [
        ['k', 'ab'],
        ['é', 'cd'],
      ] as const) {
        for (const last of lasts) await claimUnder(bench, filling.repeat(length - 1) + last)
      }
    },
  })),
])
