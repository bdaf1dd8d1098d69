import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { temporaryFolder } from '../support/guard.ts'

const folder = temporaryFolder()
const bin = fileURLToPath(new URL('../../bin/onefold.js', import.meta.url))
let downstream: Downstream
let wrong = 0

beforeAll(async () => {
  downstream = await startDownstream()
})

afterAll(async () => {
  await downstream.close()
  folder.remove()
})

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function onefold(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [bin, ...args], { env: { ...process.env, NODE_OPTIONS: '', ...env } })
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (out += String(chunk)))
    child.stderr.on('data', (chunk: Buffer) => (err += String(chunk)))
    child.on('close', (code) => resolve({ code, out, err }))
  })
}

/** Counts orders by asking the service in a program of its own. */
const counter = (ref: string): string =>
  `"${process.execPath}" -e "fetch('${downstream.url}/query',{method:'POST',body:'SELECT count(*) AS n FROM effects WHERE ref = \\'${ref}\\''}).then(r=>r.json()).then(r=>console.log(r[0].n))"`

describe('onefold chaos', () => {
  const workflow = fileURLToPath(new URL('./workflow.process.ts', import.meta.url))

  it('kills real processes, passes a protected workflow, and writes JUnit XML', { timeout: 240_000 }, async () => {
    const junit = join(folder.path, 'report.xml')
    const env = { SHOP_URL: downstream.url, LEDGER: join(folder.path, 'ledger.db') }
    const { code, out, err } = await onefold(
      ['chaos', workflow, '--combinations', '2', '--junit', junit, '--json'],
      env,
    )
    expect(code, out + err).toBe(0)
    const report = JSON.parse(out) as {
      baseline: unknown
      cases: { struck: number; processes: number; faults: { fault: string }[] }[]
    }
    expect(report.baseline).toBe(1)
    const crashes = report.cases.filter(
      ({ faults, struck }) => struck === 1 && faults.length === 1 && faults[0]?.fault.startsWith('crash') === true,
    )
    expect(crashes.length).toBeGreaterThanOrEqual(8)
    expect(crashes.filter(({ processes }) => processes < 2)).toEqual([])
    expect(readFileSync(junit, 'utf8')).toContain(`tests="${report.cases.length}" failures="0"`)
    expect(err).toBe('')
  })

  it('exits 1 with both states for an unprotected one, 2 for wrong use', { timeout: 120_000 }, async () => {
    const env = { SHOP_URL: downstream.url, UNSAFE: '1' }
    const { code, out } = await onefold(['chaos', workflow, '--combinations', '0'], env)
    expect(code).toBe(1)
    expect(out).toContain('tool place_order #1: crash-after')
    expect(out).toMatch(/1 +≠ 2/)
    expect((await onefold(['chaos', 'no-such-file.ts'])).code).toBe(2)
    const nowhere = join(folder.path, 'no-such-folder', 'report.xml')
    expect(await onefold(['chaos', workflow, '--junit', nowhere], env)).toMatchObject({
      code: 2,
      err: expect.stringContaining('cannot be written (ENOENT)'),
    })
    expect((await onefold(['chaos', bin.replace('bin/onefold.js', 'test/vectors/read.ts')])).code).toBe(2)
  })

  it.each([
    ['snapshot', { snapshot: `() => { throw new Error('no books') }` }, /snapshot failed: no books \(at .*wrong-1/],
    ['snapshot', { snapshot: '() => 1n' }, /no JSON data/],
    ['open', { open: `() => { throw new Error('no books') }` }, /wrong-3\.mjs: no books/],
    ['reset', { reset: `() => { throw new Error('no books') }` }, /reset failed: no books/],
    ['module', { workflow: '{{' }, /the module failed/],
    ['snapshot', { snapshot: '() => 1' }, /both before an undisturbed run and after/],
  ])(
    'a %s that cannot work is the file’s mistake: it is named, exit 2, and nothing is left running',
    async (...[, part, says]) => {
      const path = join(folder.path, `wrong-${++wrong}.mjs`)
      const parts = { workflow: `({ tool }) => tool('nothing', () => 1)({})`, snapshot: '() => 0', ...part }
      const text = Object.entries(parts).map(([name, source]) => `${name}: ${source}`)
      writeFileSync(path, `export const chaos = { ${text.join(', ')} }`)
      const { code, out, err } = await onefold(['chaos', path, '--combinations', '0'])
      expect([code, out]).toEqual([2, ''])
      expect(err).toMatch(says)
      expect(err).not.toContain('UNEXPECTED')
    },
  )
})

it(
  'prints nothing but data with --json, and ends, whatever the file prints and keeps open',
  { timeout: 60_000 },
  async () => {
    const path = join(folder.path, 'chatty.mjs')
    writeFileSync(
      path,
      `import { appendFileSync, existsSync, readFileSync } from 'node:fs'
    console.log('loaded')
    setInterval(() => {}, 60_000)
    const book = (unique) => ${JSON.stringify(join(folder.path, 'chatty-'))} + unique
    export const chaos = {
      workflow: ({ tool, unique }) => tool('order', () => existsSync(book(unique)) || appendFileSync(book(unique), '.'))({}),
      snapshot: ({ unique }) => {
        console.log('looked at')
        return existsSync(book(unique)) ? readFileSync(book(unique), 'utf8').length : 0
      },
      faults: ['error-after'],
      combinations: 0,
    }`,
    )
    const { code, out, err } = await onefold(['chaos', path, '--json'])
    expect(code, out + err).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ ok: true, baseline: 1 })
    expect(err).toContain('looked at')
  },
)

it.each([
  ['when it is loaded', 'setTimeout(() => process.exit(0))', '0'],
  ['in snapshot', 'let looks = 0', '++looks > 2 ? process.exit(0) : looks'],
])('is no pass for a file that ends the process %s', { timeout: 60_000 }, async (_when, top, snapshot) => {
  const path = join(folder.path, `leaving-${++wrong}.mjs`)
  writeFileSync(
    path,
    `${top}
    export const chaos = { workflow: ({ tool }) => tool('order', () => 1)({}), snapshot: () => ${snapshot}, combinations: 0 }`,
  )
  const told = await onefold(['chaos', path])
  expect([told.code, told.out]).toEqual([2, ''])
  expect(told.err).toMatch(/ended the process before there was a report/)
  const data = await onefold(['chaos', path, '--json'])
  expect([data.code, JSON.parse(data.out)]).toMatchObject([2, { error: { code: 'INPUT_INVALID' } }])
})

it('takes what a CommonJS file exports', { timeout: 60_000 }, async () => {
  const path = join(folder.path, 'common.cjs')
  const book = JSON.stringify(join(folder.path, 'common-'))
  writeFileSync(
    path,
    `const { appendFileSync, existsSync } = require('node:fs')
    const book = (unique) => ${book} + unique
    module.exports = { chaos: {
      workflow: ({ tool, unique }) => tool('order', () => appendFileSync(book(unique), ''))({}),
      snapshot: ({ unique }) => existsSync(book(unique)),
      faults: ['error-after'],
      combinations: 0,
    } }`,
  )
  const { code, out, err } = await onefold(['chaos', path, '--json'])
  expect(code, out + err).toBe(0)
  expect(JSON.parse(out)).toMatchObject({ ok: true, baseline: true, struck: 1 })
})

describe('onefold probe', () => {
  const url = (): string => `${downstream.url}/effects/{{unique}}`

  it('finds an endpoint that repeats, and passes one that is given keys', { timeout: 120_000 }, async () => {
    const bare = await onefold(['probe', '--url', url(), '--count', counter('{{unique}}'), '--json'])
    expect(bare.code, bare.err).toBe(1)
    const { checks } = JSON.parse(bare.out) as { checks: { name: string; wanted: number; effects: number }[] }
    expect(checks.map(({ wanted, effects }) => [wanted, effects])).toEqual([
      [1, 2],
      [1, 16],
      [1, 2],
      [1, 2],
      [1, 2],
    ])
    const junit = join(folder.path, 'probe.xml')
    const keyed = await onefold([
      'probe',
      '--url',
      `${url()}?token=S3cret`,
      '--count',
      counter('{{unique}}'),
      '--junit',
      junit,
      '--header',
      'Idempotency-Key: {{unique}}',
      '--body',
      '{"cart":"{{unique}}"}',
    ])
    expect(keyed.code, keyed.out + keyed.err).toBe(0)
    expect(keyed.out).toContain('Every repeat left the effects of a single call.')
    expect(readFileSync(junit, 'utf8')).toContain('tests="5" failures="0"')
    expect(keyed.out + readFileSync(junit, 'utf8')).not.toContain('S3cret')
  })

  it('finds an MCP tool that repeats', { timeout: 120_000 }, async () => {
    const server = fileURLToPath(new URL('./mcp-server.process.ts', import.meta.url))
    const { code, out, err } = await onefold(
      [
        'probe',
        '--tool',
        'place',
        '--arguments',
        '{"ref":"{{unique}}"}',
        '--count',
        counter('{{unique}}'),
        '--callers',
        '3',
        '--timeout',
        '3000',
        '--json',
        '--',
        process.execPath,
        server,
      ],
      { DOWNSTREAM_URL: downstream.url },
    )
    expect(code, err).toBe(1)
    const { checks } = JSON.parse(out) as { checks: { name: string; effects: number }[] }
    expect(checks.map(({ effects }) => effects)).toEqual([2, 3, 2, 2, 2, 2])
  })

  it('says what is wrong with how it is used, and calls nothing', { timeout: 60_000 }, async () => {
    const none = await onefold(['probe', '--count', 'echo 1'])
    expect([none.code, none.err]).toEqual([2, expect.stringContaining('Name one target')])
    const words = await onefold(['probe', '--url', url(), '--count', 'echo many'])
    expect([words.code, words.err]).toEqual([2, expect.stringContaining('no whole number')])
    const still = await onefold(['probe', '--url', url(), '--count', 'echo 1'])
    expect([still.code, still.err]).toEqual([2, expect.stringContaining('One call added 0 effects')])
  })

  it.each([
    [['--url', 'http://127.0.0.1:1/orders', '--count', 'echo 1'], /first call failed: .*nothing can be reached/],
    [['--url', 'http://127.0.0.1:1/orders', '--count', 'exit 3'], /--count cannot be asked: the command ended with 3/],
    [
      ['--url', 'http://127.0.0.1:1/orders', '--count', 'http://127.0.0.1:1/'],
      /--count cannot be asked: .*(refused|port)/,
    ],
    [
      ['--url', 'http://127.0.0.1:1/', '--count', 'cat /dev/zero', '--timeout', '50'],
      /no answer within 50 ms|maxBuffer/,
    ],
    [['--url', 'ftp://127.0.0.1/orders', '--count', 'echo 1'], /no address/],
    [['--url', 'http://127.0.0.1:1/', '--method', 'A B', '--count', 'echo 1'], /cannot be sent/],
    [['--url', 'http://me:S3cret@127.0.0.1:1/', '--count', 'echo 1'], /--url may hold no user/],
    [['--url', 'me:S3cret@h', '--count', 'echo 1'], /no address/],
    [['--url', 'http://127.0.0.1:1/', '--count', 'http://me:S3cret@127.0.0.1:1/'], /--count may hold no user/],
    [['--url', 'http://127.0.0.1:1/', '--count', ': S3cret; exit 4'], /the command ended with 4/],
    [
      ['--url', 'http://127.0.0.1:1/', '--count', 'echo 1', '--header', 'Authorization S3cret'],
      /--header 1 is no header/,
    ],
    [['--url', 'http://127.0.0.1:1/', '--count', 'echo 1', '--header', 'A: S3\ncret'], /no header can have/],
    [['--tool', 'place', '--count', 'echo 1', '--', '/no/such/server'], /cannot be used: the MCP server ended/],
    [
      ['--tool', 'place', '--count', 'echo 1', '--', process.execPath, '-e', ''],
      /cannot be used: the MCP server ended/,
    ],
  ])(
    'is not at fault for what it is given, and does not wait for ever: %j',
    { timeout: 30_000 },
    async (args, says) => {
      const { code, err } = await onefold(['probe', ...args])
      expect(err).toMatch(says)
      expect(err).not.toMatch(/UNEXPECTED|node:|S3cret/)
      expect(code).toBe(2)
    },
  )
})
