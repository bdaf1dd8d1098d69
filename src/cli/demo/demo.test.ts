import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { CONTRACTS } from './contracts.ts'
import { faultOf } from './faults.ts'
import type { Row } from './report.ts'
import { isAlive } from './pids.ts'
import { nextCall, returnsOf } from './story.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'onefold-demo-test-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const FORMS = [
  ['onefold demo lost-answers', ['bin/onefold.js', 'demo', 'lost-answers']],
  ['the example', ['-C', 'onefold-source', 'examples/lost-answers/main.ts']],
] as const

const environment = (temporary: string): NodeJS.ProcessEnv => {
  const { NODE_OPTIONS: _options, ...rest } = process.env
  return { ...rest, TMPDIR: temporary, NO_COLOR: '1' }
}

interface Told {
  readonly without: { readonly rows: readonly Row[] }
  readonly with: { readonly rows: readonly Row[] }
  readonly shown: { readonly timeline: string }
  readonly doubts: readonly { readonly name: string }[]
  readonly store: string
  readonly held: boolean
}

const sum = (rows: readonly Row[], name: 'done' | 'duplicates' | 'missing' | 'inDoubt'): number =>
  rows.reduce((so, row) => so + (row[name] ?? 0), 0)

/** Processes that the story noted and that are still there. */
function alive(folder: string): readonly number[] {
  const pids = globSync('**/*.pids', { cwd: folder }).flatMap((file) =>
    readFileSync(join(folder, file), 'utf8').trim().split('\n').map(Number),
  )
  return pids.filter((pid) => pid !== process.pid && isAlive(pid))
}

describe.each(FORMS)('%s', { timeout: 60_000 }, (_name, command) => {
  it('shows duplicates without Onefold, none with it, and leaves nothing running', () => {
    const temporary = mkdtempSync(join(scratch, 'kept-'))
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [...command, '--returns', '8', '--seed', '3', '--json', '--keep'],
      { cwd: root, encoding: 'utf8', env: environment(temporary), timeout: 50_000 },
    )
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const told = JSON.parse(stdout) as Told
    expect(sum(told.without.rows, 'duplicates')).toBeGreaterThan(0)
    expect(sum(told.without.rows, 'missing')).toBe(0)
    expect(sum(told.with.rows, 'duplicates')).toBe(0)
    for (const { missing, inDoubt } of told.with.rows) expect(missing).toBeLessThanOrEqual(inDoubt ?? 0)
    const [orders, refunds, mails] = told.with.rows
    expect([orders?.done, refunds?.done, orders?.inDoubt, refunds?.inDoubt]).toEqual([8, 8, 0, 0])
    expect(mails?.inDoubt).toBe(told.doubts.length)
    expect(told.doubts.length).toBeGreaterThan(0)
    expect(told.shown.timeline).toContain('T5')
    expect(alive(temporary)).toEqual([])
    const listed = spawnSync(
      process.execPath,
      ['bin/onefold.js', 'ledger', 'list', '--in-doubt', '--json', '--store', told.store],
      {
        cwd: root,
        encoding: 'utf8',
        env: environment(temporary),
      },
    )
    expect((JSON.parse(listed.stdout) as { records: unknown[] }).records).toHaveLength(told.doubts.length)
  })

  it('prints both end states side by side, a timeline and the next command, and removes its folder', () => {
    const temporary = mkdtempSync(join(scratch, 'gone-'))
    const { status, stdout } = spawnSync(process.execPath, [...command, '--returns', '5'], {
      cwd: root,
      encoding: 'utf8',
      env: environment(temporary),
      timeout: 50_000,
    })
    expect(status).toBe(0)
    expect(stdout).toMatch(/without Onefold +with Onefold/)
    expect(stdout).toMatch(/^all +15 +\d+ +\d+ +\? +15 +0 +\d+$/m)
    expect(stdout).toContain('onefold ledger show')
    expect(stdout).toMatch(/--keep +the same, and the ledger stays/)
    expect(readdirSync(temporary)).toEqual([])
  })

  it('ends cleanly when it is interrupted', async () => {
    const temporary = mkdtempSync(join(scratch, 'stopped-'))
    const child = spawn(process.execPath, [...command, '--returns', '200'], {
      cwd: root,
      env: environment(temporary),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const exited = once(child, 'exit')
    const told: Buffer[] = []
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => told.push(chunk))
    while (alive(temporary).length === 0) await delay(20)
    const started = alive(temporary)
    child.kill('SIGINT')
    expect(await exited).toEqual([130, null])
    expect(Buffer.concat(told).toString()).toBe('')
    for (let waits = 0; started.some(isAlive) && waits < 200; waits += 1) await delay(20)
    expect(started.filter(isAlive)).toEqual([])
    expect(readdirSync(temporary)).toEqual([])
  })
})

describe('the story', () => {
  it('uses the contracts that the example shows', () => {
    expect(readFileSync(join(root, 'examples/lost-answers/onefold.yaml'), 'utf8')).toBe(CONTRACTS)
  })

  it('loses 30 % of all answers, the same ones for the same seed', () => {
    const faults = Array.from({ length: 4_000 }, (_, nth) => faultOf(1, 'order', `o${nth}`, 1))
    const lost = faults.filter((fault) => fault !== 'none').length / faults.length
    expect(lost).toBeGreaterThan(0.27)
    expect(lost).toBeLessThan(0.33)
    expect(faults).toEqual(faults.map((_, nth) => faultOf(1, 'order', `o${nth}`, 1)))
  })

  it('has a model that tries again in other words, and obeys after two tries when told not to', () => {
    const [wanted] = returnsOf(1)
    if (wanted === undefined) throw new Error('no return')
    const first = nextCall(wanted, [])
    const second = nextCall(wanted, [{ name: 'create_order', text: 'Error: fetch failed' }])
    expect(second?.name).toBe(first?.name)
    expect(second?.arguments).toMatchObject({ order: first?.arguments['order'], item: first?.arguments['item'] })
    expect(second?.arguments['note']).not.toBe(first?.arguments['note'])
    const told = { name: 'create_order', text: 'Its outcome is unknown. Do not call it again.' }
    expect(nextCall(wanted, [told, told])?.name).toBe('refund_payment')
  })
})
