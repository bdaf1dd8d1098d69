import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Worker } from 'node:worker_threads'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimOf } from '../../../test/support/claim.ts'
import type { Store } from '../../engine/index.ts'
import { linearization, type Call } from '../../testing/index.ts'
import { sqliteStore } from './index.ts'

let folder = ''
let path = ''
const children: ChildProcess[] = []
const workers: Worker[] = []
process.on('worker', (worker) => workers.push(worker))

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'onefold-life-'))
  path = join(folder, 'ledger.db')
})

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

const SOURCE = JSON.stringify(new URL('./index.ts', import.meta.url).href)

/** The same write for children, who fill in key and name. */
const CLAIM = `
  const template = ${JSON.stringify(JSON.stringify(claimOf('@key', '@name')))}
  const claim = (key, name) => JSON.parse(template.replaceAll('@key', key).replaceAll('@name', name))
`

async function opened(options: { readonly busyMs?: number; readonly onCallersThread?: boolean } = {}): Promise<Store> {
  const store = sqliteStore({ path, ...options })
  await store.open()
  return store
}

/** Starts a module as a process of its own. */
function start(
  code: string,
  ...args: string[]
): { child: ChildProcess; output: () => string; ended: Promise<number | null> } {
  const child = spawn(process.execPath, ['--input-type=module', '-e', code, path, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  let text = ''
  child.stdout.on('data', (data: Buffer) => (text += data.toString()))
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, output: () => text, ended }
}

describe('the caller’s event loop', () => {
  it.each([false, true])(
    'goes on while another process holds the lock, and the write is made when it lets go (on the caller’s thread: %s)',
    async (onCallersThread) => {
      const store = await opened({ onCallersThread })
      await store.write(claimOf('before', 'one'))
      const other = new DatabaseSync(path)
      other.exec('BEGIN IMMEDIATE')
      let turns = 0
      const counting = setInterval(() => {
        turns += 1
        // A loop that stood still until the lock was free would have made one turn.
        if (turns === 20) other.close()
      }, 20)
      const answer = await store.write(claimOf('a', 'one'))
      clearInterval(counting)
      expect(answer.applied).toBe(true)
      expect(turns).toBeGreaterThanOrEqual(20)
      await store.close()
    },
  )

  it('can read while another process writes', async () => {
    const store = await opened()
    await store.write(claimOf('a', 'one'))
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    const reading = store.read('a', 't')
    expect(reading).not.toBeInstanceOf(Promise)
    expect(reading).toMatchObject({ record: { writeId: 'one' } })
    other.close()
    await store.close()
  })
})

describe('a worker that dies', () => {
  it('rejects what is under way, and is started anew by the next call', async () => {
    const store = await opened()
    await store.write(claimOf('kept', 'one'))
    const worker = workers.at(-1)
    const under = store.write(claimOf('a', 'one')).then(
      () => 'applied',
      (error: unknown) => error,
    )
    await worker?.terminate()
    const told = await under
    if (told !== 'applied')
      expect(told).toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true, details: { applied: 'unknown' } })
    const again = await store.write(claimOf('b', 'two'))
    expect(again.applied).toBe(true)
    expect(await store.read('kept', 't')).toMatchObject({ record: { writeId: 'one' } })
    await store.close()
  })

  it('does not come back when the store was closed', async () => {
    const store = await opened()
    await store.close()
    const before = workers.length
    await expect(store.write(claimOf('a', 'one'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(workers.length).toBe(before)
  })
})

describe('a worker whose file was moved away', () => {
  it.each([
    ['a write', (store: Store) => store.write(claimOf('b', 'one'))],
    ['a listing', (store: Store) => store.list({ tenant: 't' })],
  ])('tells so of %s, and ends', async (_, ask) => {
    const store = await opened()
    await store.write(claimOf('a', 'one'))
    const ended = once(workers.at(-1) as Worker, 'exit')
    renameSync(path, `${path}.moved`)
    // The last look for the files is one of before by then.
    await pause(10)
    await expect(ask(store)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', details: { applied: 'no' } })
    await ended
    expect((await store.read('a', 't')).record).toBeUndefined()
    expect((await store.epoch()).amnesia?.why).toContain('was replaced')
    await store.close()
  })
})

it('a worker looks for its file again for a write that had to wait', async () => {
  const store = await opened({ busyMs: 60_000 })
  await store.write(claimOf('a', 'one'))
  const other = new DatabaseSync(path)
  other.exec('BEGIN IMMEDIATE')
  const under = store.write(claimOf('b', 'one'))
  // By then it is on its way.
  await new Promise((resolve) => setImmediate(resolve))
  renameSync(path, `${path}.moved`)
  await expect(under).rejects.toMatchObject({
    message: expect.stringContaining('was moved or replaced'),
    details: { applied: 'no' },
  })
  other.close()
  await store.close()
})

describe('a process', () => {
  it('ends by itself while a store is open and idle, and not before its answers are there', () => {
    const code = `
      import { sqliteStore } from ${SOURCE}
      ${CLAIM}
      const store = sqliteStore(process.argv[1])
      await store.open()
      store.write(claim('a', 'one')).then((answer) => console.log('applied', answer.applied))
    `
    const result = spawnSync(process.execPath, ['--input-type=module', '-e', code, path], {
      encoding: 'utf8',
      timeout: 10_000,
    })
    expect(result).toMatchObject({ status: 0, stdout: 'applied true\n', stderr: '' })
  })

  it('that is killed while it writes loses nothing that was acknowledged', async () => {
    const code = `
      import { writeSync } from 'node:fs'
      import { sqliteStore } from ${SOURCE}
      ${CLAIM}
      const store = sqliteStore(process.argv[1])
      await store.open()
      let next = 0
      // A reader that is slow on a busy machine leaves no room at times.
      const tell = (line) => {
        for (;;)
          try {
            return writeSync(1, line)
          } catch (error) {
            if (error.code !== 'EAGAIN') throw error
          }
      }
      const client = async () => {
        for (;;) {
          const key = 'key ' + (next += 1)
          const { record } = await store.write(claim(key, 'child'))
          tell(key + ':' + record.fence + '\\n')
        }
      }
      await Promise.all(Array.from({ length: 16 }, client))
    `
    for (let round = 0; round < 3; round += 1) {
      rmSync(path, { force: true })
      rmSync(`${path}.seq`, { force: true })
      const { child, output, ended } = start(code)
      while (output().length < 4000 * (round + 1)) {
        expect(child.exitCode).toBeNull()
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      child.kill('SIGKILL')
      await ended
      const acknowledged = output().split('\n').slice(0, -1)
      const store = await opened()
      for (const line of acknowledged) {
        const [key, fence] = line.split(':') as [string, string]
        expect((await store.read(key, 't')).record?.fence).toBe(Number(fence))
        expect(await store.history(key, 't')).toHaveLength(1)
      }
      expect((await store.epoch()).amnesia).toBeUndefined()
      expect((await store.doctor()).filter((finding) => finding.unsafe)).toEqual([])
      await store.close()
    }
  })
})

type Input = { readonly to: string }
type Output = { readonly applied: boolean; readonly seen: string }

describe('several processes on one file', () => {
  it('have one winner for each key, and histories that are linearizable', async () => {
    const KEYS = 60
    const code = `
      import { sqliteStore } from ${SOURCE}
      ${CLAIM}
      const [path, name, begin] = process.argv.slice(1)
      const store = sqliteStore(path)
      await store.open()
      while (Date.now() < Number(begin)) await new Promise((resolve) => setTimeout(resolve, 1))
      const calls = []
      for (let n = 0; n < ${KEYS}; n += 4) {
        await Promise.all([0, 1, 2, 3].map(async (m) => {
          const key = 'key ' + (n + m)
          const called = process.hrtime.bigint().toString()
          const { applied, record } = await store.write(claim(key, name + ' ' + key))
          calls.push({ key, name: name + ' ' + key, called, returned: process.hrtime.bigint().toString(), applied, seen: record.writeId })
        }))
      }
      await store.close()
      console.log(JSON.stringify(calls))
    `
    await (await opened()).close()
    const begin = String(Date.now() + 700)
    const processes = ['a', 'b', 'c'].map((name) => start(code, name, begin))
    for (const { ended } of processes) expect(await ended).toBe(0)
    const calls = processes.flatMap(
      ({ output }) =>
        JSON.parse(output()) as {
          key: string
          name: string
          called: string
          returned: string
          applied: boolean
          seen: string
        }[],
    )
    expect(calls).toHaveLength(3 * KEYS)
    const winners = new Map<string, number>()
    for (let n = 0; n < KEYS; n += 1) {
      const ofKey = calls.filter((call) => call.key === `key ${n}`)
      for (const call of ofKey)
        if (call.applied) winners.set(call.name[0] ?? '', (winners.get(call.name[0] ?? '') ?? 0) + 1)
      expect(ofKey.filter((call) => call.applied)).toHaveLength(1)
      const base = ofKey.map((call) => BigInt(call.called)).reduce((one, other) => (one < other ? one : other))
      const history = ofKey.map((call): Call<Input, Output> => ({
        input: { to: call.name },
        output: { applied: call.applied, seen: call.seen },
        called: Number(BigInt(call.called) - base),
        returned: Number(BigInt(call.returned) - base),
      }))
      const order = linearization<string, Input, Output>(
        {
          initial: '',
          name: (state) => state,
          step: (state, input, output) => {
            if (output?.applied === true) return state === '' ? input.to : undefined
            return state !== '' && state === output?.seen ? state : undefined
          },
        },
        history,
      )
      expect(order).toBeDefined()
    }
    const store = await opened()
    expect(await store.stats('t')).toMatchObject({ states: { executing: KEYS } })
    await store.close()
  })
})
