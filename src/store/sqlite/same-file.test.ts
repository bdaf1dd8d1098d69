import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimOf } from '../../../test/support/claim.ts'
import type { Store } from '../../engine/index.ts'
import { sqliteStore } from './index.ts'
import { openLedger } from './ledger.ts'
import { fileId, goneOf } from './same-file.ts'

let folder = ''
let path = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'onefold-same-'))
  path = join(folder, 'ledger.db')
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function opened(onCallersThread: boolean): Promise<Store> {
  const store = sqliteStore({ path, onCallersThread })
  await store.open()
  await store.write(claimOf('before', 'one'))
  return store
}

/** By the time that it resolves, the last look for the files is one of before. */
async function takeLogAway(): Promise<void> {
  for (const end of ['-wal', '-shm']) renameSync(path + end, `${path}${end}.away`)
  await pause(10)
}

describe('what is gone', () => {
  it('is nothing, the log, its index, or the file', () => {
    for (const end of ['', '-wal', '-shm']) writeFileSync(path + end, '')
    const file = fileId(path)
    expect(goneOf(path, file)).toBeUndefined()
    for (const end of ['-wal', '-shm']) {
      renameSync(path + end, `${path}.away`)
      expect(goneOf(path, file)).toBe('log')
      renameSync(`${path}.away`, path + end)
    }
    expect(goneOf(path, { ...file, dev: file.dev + 1 })).toBe('file')
    rmSync(path)
    expect(goneOf(path, file)).toBe('file')
    expect(goneOf(join(path, '\0'), file)).toBe('file')
  })
})

describe.each([false, true])('a log that is removed, on the caller’s thread: %s', (onCallersThread) => {
  it('is told by every call until the store is closed; opened again it works', async () => {
    const store = await opened(onCallersThread)
    await takeLogAway()
    const said = {
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('was removed while this process had it'),
    }
    await expect(store.write(claimOf('a', 'one'))).rejects.toMatchObject(said)
    await expect(store.write(claimOf('a', 'one'))).rejects.toMatchObject({ ...said, retryable: false })
    await expect(Promise.resolve(store.read('before', 't'))).rejects.toMatchObject({ ...said, retryable: false })
    await store.close()
    await store.open()
    expect((await store.write(claimOf('a', 'two'))).applied).toBe(true)
    expect((await store.epoch()).amnesia).toBeDefined()
    await store.close()
  })

  it('is not looked for by whoever closes: the log of others stays as it is', async () => {
    const store = await opened(onCallersThread)
    await takeLogAway()
    writeFileSync(`${path}-wal`, 'of others')
    await store.close()
    expect(readFileSync(`${path}-wal`, 'utf8')).toBe('of others')
  })
})

it('a log that is removed is told to other stores of the process too, until the last that had it is closed', async () => {
  const [one, other] = [await opened(false), sqliteStore({ path })]
  await other.open()
  await takeLogAway()
  const said = { code: 'STORE_UNAVAILABLE', retryable: false, message: expect.stringContaining('was removed while') }
  await expect(one.doctor()).rejects.toMatchObject(said)
  await one.close()
  await expect(one.open()).rejects.toMatchObject(said)
  await other.close()
  await one.open()
  expect((await one.write(claimOf('a', 'one'))).applied).toBe(true)
  await one.close()
})

it('a log that goes with its last store is no matter for the next one', async () => {
  const one = await opened(false)
  const closing = [one.close()]
  for (let n = 0; n < 20; n += 1) {
    const next = sqliteStore({ path })
    await next.open()
    expect((await next.write(claimOf(`a${n}`, 'one'))).applied).toBe(true)
    closing.push(next.close())
  }
  await Promise.all(closing)
})

it('a log that is removed is not folded into the file any more', async () => {
  const ledger = openLedger({ path, wall: Date.now })
  await takeLogAway()
  const before = statSync(path).mtimeMs
  ledger.checkpoint()
  expect(statSync(path).mtimeMs).toBe(before)
  ledger.close()
})
