import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimOf } from '../../../test/support/claim.ts'
import type { Store } from '../../engine/index.ts'
import { sqliteStore } from './index.ts'
import { openLedger, type Ledger } from './ledger.ts'
import { COMMITS_BEFORE_ROOM, makeLogRoom } from './log-room.ts'
import { SqliteDatabase } from './sqlite-module.ts'

const MEBIBYTE = 2 ** 20

let folder = ''
let path = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'onefold-log-room-'))
  path = join(folder, 'ledger.db')
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

const logSize = (): number => statSync(`${path}-wal`).size
const hurried = (): Ledger => openLedger({ path, wall: Date.now, hurried: true })

/** Writes of 500 bytes each, in transactions of their own. */
function fill(ledger: Ledger, count: number): void {
  for (let n = 0; n < count; n += 1) {
    const outcome = ledger.write([[0, 'put-blob', 'k', 't', `${Math.random()}`, new Uint8Array(500)]], () => [])
    if (outcome === 'busy' || outcome.replies[0]?.[3][0]?.[1] !== 1) throw new Error('was not written')
  }
}

describe.each([
  ['in the worker', false],
  ['on the caller’s thread', true],
])('the log of a store that writes %s', (_, onCallersThread) => {
  it('has its later size after a few commits, and holds what was acknowledged', async () => {
    const store = sqliteStore({ path, onCallersThread })
    await store.open()
    const write = (name: string): ReturnType<Store['write']> => store.write(claimOf(name, 'one'))
    await write('k0')
    expect(logSize()).toBeLessThan(MEBIBYTE)
    // Where a commit was slow, two threads share them: one of them has made enough then.
    for (let n = 1; n <= 2 * COMMITS_BEFORE_ROOM; n += 1) await write(`k${n}`)
    // It is filled piece by piece, beside the commits that wait for nobody.
    const full = 4.5 * MEBIBYTE
    await expect.poll(logSize, { timeout: 30_000 }).toBe(full)
    await write('last')
    expect(logSize()).toBe(full)

    // What a power cut leaves: the files as they are, without the shared memory that tells where the log ends.
    const copy = join(folder, 'copy.db')
    for (const end of ['', '-wal']) copyFileSync(path + end, copy + end)
    const reopened = sqliteStore(copy)
    await reopened.open()
    for (const name of ['k0', 'k1', `k${COMMITS_BEFORE_ROOM}`, 'last'])
      expect((await reopened.read(name, 't')).record?.writeId).toBe('one')
    expect((await reopened.write(claimOf('after', 'two'))).applied).toBe(true)
    expect((await reopened.doctor()).filter(({ ok }) => !ok)).toEqual([])
    await reopened.close()
    await store.close()
    expect(existsSync(`${path}-wal`)).toBe(false)
  })
})

describe('room for the log', () => {
  it('is made by the holder of the write lock alone', () => {
    const ledger = hurried()
    const other = new SqliteDatabase(path)
    fill(ledger, 1)
    const before = logSize()
    other.exec('BEGIN IMMEDIATE')
    ledger.makeRoom()
    expect(logSize()).toBe(before)
    other.exec('ROLLBACK')
    ledger.makeRoom()
    expect(logSize()).toBeGreaterThan(4 * MEBIBYTE)
    other.close()
    ledger.close()
  })

  it('is not made twice, and a longer log stays as it is', () => {
    const ledger = hurried()
    fill(ledger, 1_500)
    const long = logSize()
    expect(long).toBeGreaterThan(5 * MEBIBYTE)
    ledger.makeRoom()
    expect(logSize()).toBe(long)
    ledger.close()
  })

  it('is left alone where there is no log that can be opened', () => {
    makeLogRoom(path)
    expect(existsSync(`${path}-wal`)).toBe(false)
    mkdirSync(`${path}-wal`)
    expect(() => makeLogRoom(path)).not.toThrow()
  })
})

describe('folding in the log', () => {
  it('lets it be written from its beginning again, so it stays within its room', () => {
    const ledger = hurried()
    const folding = hurried()
    fill(ledger, 1)
    ledger.makeRoom()
    const room = logSize()
    for (let round = 0; round < 8; round += 1) {
      fill(ledger, 200)
      folding.checkpoint()
    }
    expect(logSize()).toBe(room)
    folding.close()
    ledger.close()
  })

  it('ends also while a reader keeps a part of it', () => {
    const ledger = hurried()
    const reader = new SqliteDatabase(path, { readOnly: true })
    reader.exec('BEGIN')
    reader.prepare('SELECT count(*) FROM records').get()
    fill(ledger, 50)
    ledger.checkpoint()
    reader.exec('COMMIT')
    reader.close()
    const { log, checkpointed } = ledger.database.prepare('PRAGMA wal_checkpoint(PASSIVE)').get() as Record<
      string,
      number
    >
    expect(checkpointed).toBe(log)
    ledger.close()
  })
})
