import { spawn } from 'node:child_process'
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { claimOf } from '../../../test/support/claim.ts'
import type { Store } from '../../engine/index.ts'
import { createDirect, type Direct } from './direct.ts'
import { busyFailure } from './failure.ts'
import { sqliteStore } from './index.ts'
import type { Ledger, Outcome } from './ledger.ts'
import type { Step, WriteStep } from './wire.ts'

let folder = ''
let path = ''
const workers: Worker[] = []
process.on('worker', (worker) => workers.push(worker))

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'onefold-direct-'))
  path = join(folder, 'ledger.db')
})

afterEach(() => {
  vi.useRealTimers()
  rmSync(folder, { recursive: true, force: true })
})

async function opened(): Promise<Store> {
  const store = sqliteStore({ path, onCallersThread: true })
  await store.open()
  return store
}

const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `k${n}`)

describe('writes on the caller’s thread', () => {
  it('need no worker while they are few, and start it anew when they are many', async () => {
    // However slow the disk of this machine is at the moment: a commit takes no time.
    vi.useFakeTimers({ toFake: ['performance'] })
    const store = await opened()
    await workers.at(-1)?.terminate()
    const before = workers.length
    for (const name of names(3)) expect((await store.write(claimOf(name, 'one'))).applied).toBe(true)
    expect(workers.length).toBe(before)
    const many = await Promise.all(names(8).map((name) => store.write(claimOf(`many ${name}`, 'one'))))
    expect(many.every(({ applied }) => applied)).toBe(true)
    expect(workers.length).toBe(before + 1)
    expect((await store.write(claimOf('k0', 'two'))).record?.writeId).toBe('one')
    await store.close()
  })

  it('are made before the store closes, also those of the same turn', async () => {
    const store = await opened()
    await store.write(claimOf('a', 'one'))
    const under = names(8).map((name) => store.write(claimOf(name, 'one')))
    const closing = store.close()
    expect((await Promise.all(under)).every(({ applied }) => applied)).toBe(true)
    await closing
    const again = await opened()
    expect((await again.read('k7', 't')).record?.writeId).toBe('one')
    const last = again.write(claimOf('last', 'one'))
    await again.close()
    expect((await last).applied).toBe(true)
  })

  it('are refused for a file that was moved away; the next one makes a new file', async () => {
    const store = await opened()
    await store.write(claimOf('a', 'one'))
    renameSync(path, `${path}.moved`)
    // The last look for the files is one of before by then.
    await pause(10)
    await expect(store.write(claimOf('b', 'one'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect((await store.write(claimOf('b', 'two'))).applied).toBe(true)
    expect((await store.read('b', 't')).record?.writeId).toBe('two')
    expect((await store.epoch()).amnesia).toBeDefined()
    await store.close()
  })

  it('survive the death of their process once they were acknowledged', async () => {
    const code = `
      import { writeSync } from 'node:fs'
      import { sqliteStore } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)}
      const template = ${JSON.stringify(JSON.stringify(claimOf('@key', 'child')))}
      const store = sqliteStore({ path: process.argv[1], onCallersThread: true })
      await store.open()
      let next = 0
      const client = async () => {
        for (;;) {
          const key = 'key ' + (next += 1)
          const { record } = await store.write(JSON.parse(template.replaceAll('@key', key)))
          writeSync(1, key + ':' + record.fence + '\\n')
        }
      }
      await Promise.all([client(), client(), client()])
    `
    const child = spawn(process.execPath, ['--input-type=module', '-e', code, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (data: Buffer) => {
        output += data.toString()
        // Some hundreds of commits: also past a checkpoint.
        if (output.length > 12_000) child.kill('SIGKILL')
      })
      child.once('close', () => resolve())
    })
    const store = await opened()
    for (const line of output.split('\n').slice(0, -1)) {
      const [key, fence] = line.split(':') as [string, string]
      expect((await store.read(key, 't')).record?.fence).toBe(Number(fence))
    }
    expect((await store.epoch()).amnesia).toBeUndefined()
    expect((await store.doctor()).filter((finding) => finding.unsafe)).toEqual([])
    await store.close()
  })
})

describe('what is not for this thread', () => {
  let commitMs = 0
  let outcome: Outcome | 'busy' | undefined
  const inWorker: string[] = []
  const here: number[] = []
  let broke = 0
  let release = (): void => {}
  let held: Promise<void> | undefined
  let direct: Direct

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout'] })
    commitMs = 1
    outcome = undefined
    held = undefined
    broke = 0
    inWorker.length = 0
    here.length = 0
    const ledger = {
      clock: { raise: () => undefined },
      write(steps: Step[]) {
        vi.advanceTimersByTime(commitMs)
        if (outcome !== undefined) return outcome
        here.push(steps.length)
        return { replies: [[7, 0, steps.flatMap(([id]) => [id, 1, 0]), []]], broken: false }
      },
      remember: () => undefined,
      close: () => undefined,
    } as unknown as Ledger
    direct = createDirect({
      ledger,
      now: () => 0,
      toWorker: async <T>(step: (id: number) => Step): Promise<T> => {
        inWorker.push(step(0)[1])
        await held
        return undefined as T
      },
      broke: () => (broke += 1),
    })
  })

  const write = (): Promise<unknown> =>
    direct.send((id): WriteStep => [id, 'write', 'k', 't', 0, null, ['T1', 0, 1, 0, 'n', 'w', null, 0]])

  it('is what comes behind others there', async () => {
    held = new Promise((resolve) => (release = resolve))
    const many = Promise.all(Array.from({ length: 5 }, write))
    await vi.waitFor(() => expect(inWorker).toHaveLength(5))
    const behind = write()
    await vi.waitFor(() => expect(inWorker).toHaveLength(6))
    release()
    await Promise.all([many, behind])
    await write()
    expect(inWorker).toHaveLength(6)
    expect(here).toEqual([1])
  })

  it('is a write that met a lock', async () => {
    outcome = 'busy'
    await write()
    expect(inWorker).toEqual(['write'])
  })

  it('is everything for a tenth of a second after a slow commit, and for twice as long after the next one', async () => {
    const isHere = async (): Promise<boolean> => {
      const before = here.length
      await write()
      return here.length > before
    }
    commitMs = 3
    expect(await isHere()).toBe(true)
    vi.advanceTimersByTime(99)
    expect(await isHere()).toBe(false)
    vi.advanceTimersByTime(1)
    expect(await isHere()).toBe(true)
    vi.advanceTimersByTime(199)
    expect(await isHere()).toBe(false)
    vi.advanceTimersByTime(1)
    commitMs = 1
    expect(await isHere()).toBe(true)
    expect(await isHere()).toBe(true)
  })

  it('is making room for the log after a few commits, and folding it into the file after every 250 steps', async () => {
    for (let n = 0; n < 7; n += 1) await write()
    expect(inWorker).toEqual([])
    await write()
    expect(inWorker).toEqual(['make-room'])
    for (let n = 8; n < 249; n += 1) await write()
    expect(inWorker).toEqual(['make-room'])
    await write()
    for (let n = 0; n < 124; n += 1) await Promise.all([write(), write()])
    expect(inWorker).toEqual(['make-room', 'checkpoint'])
    await Promise.all([write(), write()])
    expect(inWorker).toEqual(['make-room', 'checkpoint', 'checkpoint'])
  })

  it('is everything once the connection is not to be used any more', async () => {
    outcome = { replies: [[0, 0, [], [[0, 0, { ...busyFailure('x'), broken: true }]]]], broken: true }
    await expect(write()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(broke).toBe(1)
    await write()
    expect(inWorker).toEqual(['write'])
  })
})
