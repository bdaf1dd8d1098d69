import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import type { Day } from '../../src/scenario/black-friday/books.ts'
import { ordersOf, stockFor } from '../../src/scenario/black-friday/orders.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'onefold-black-friday-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const environment = (temporary: string): NodeJS.ProcessEnv => {
  const { NODE_OPTIONS: _options, ...rest } = process.env
  return { ...rest, TMPDIR: temporary, NO_COLOR: '1' }
}

const FORMS = [
  ['npm start', ['-C', 'onefold-source', 'examples/black-friday/main.ts']],
  ['onefold demo black-friday', ['bin/onefold.js', 'demo', 'black-friday']],
] as const

const ORDERS = 150

describe.each(FORMS)('%s', { timeout: 120_000 }, (_name, command) => {
  it('corrupts orders without Onefold; with it the databases hold what single executions leave [BF-10][BF-6][BF-7][BF-9]', () => {
    const temporary = mkdtempSync(join(scratch, 'told-'))
    const { status, stdout, stderr } = spawnSync(process.execPath, [...command, '--orders', String(ORDERS), '--json'], {
      cwd: root,
      encoding: 'utf8',
      env: environment(temporary),
      timeout: 110_000,
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const told = JSON.parse(stdout) as { without: Day; with: Day; held: boolean }
    expect(told.held).toBe(true)
    expect(told.without.corrupted).toBeGreaterThan(0)
    expect(told.without.duplicates).toBeGreaterThan(0)
    expect(told.without.negativeStock).toBeGreaterThan(0)
    expect(told.with).toMatchObject({
      effects: { mail: ORDERS, reserve: ORDERS, status: 2 * ORDERS, transfer: ORDERS },
      corrupted: 0,
      duplicates: 0,
      negativeStock: 0,
      cycles: 0,
      mails: ORDERS,
    })
    expect(readdirSync(temporary)).toEqual([])
  })
})

it('ends cleanly when it is interrupted', { timeout: 60_000 }, async () => {
  const temporary = mkdtempSync(join(scratch, 'stopped-'))
  const child = spawn(process.execPath, [...FORMS[0][1], '--orders', '4000'], {
    cwd: root,
    env: environment(temporary),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const told: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => told.push(chunk))
  const closed = once(child, 'close')
  while (readdirSync(temporary, { recursive: true }).every((file) => !String(file).endsWith('.db')))
    await new Promise((resolve) => setTimeout(resolve, 20))
  child.kill('SIGINT')
  // The pipes close when the last program that inherited them has ended.
  expect(await closed).toEqual([130, null])
  expect(Buffer.concat(told).toString()).toBe('')
  expect(readdirSync(temporary)).toEqual([])
})

it('has stock for exactly what is ordered', () => {
  const orders = ordersOf(120)
  const stock = stockFor(orders)
  expect(Object.values(stock).reduce((sum, free) => sum + free, 0)).toBe(
    orders.reduce((sum, { quantity }) => sum + quantity, 0),
  )
  expect(ordersOf(120)).toEqual(orders)
})
