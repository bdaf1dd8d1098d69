import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { OperationRecord, Store } from '../src/engine/index.ts'
import { connect } from '../src/store/sqlite/connection.ts'
import { INSERT_RECORD } from '../src/store/sqlite/write.sql.ts'
import { sqliteStore } from '../src/store/sqlite/index.ts'
import { rate, RESOLUTION_MS, times } from './lib.ts'
import { claimOf, commitOf, freshKey, INPUT, TENANT } from './operation.ts'

async function written(
  store: Store,
  write: Parameters<Store['write']>[0],
): Promise<{ record: OperationRecord; now: number }> {
  const { applied, record, now } = await store.write(write)
  if (!applied || record === undefined) throw new Error('a write of the bench was refused')
  return { record, now }
}

/** Claim and commit of a fresh key through the port: two durable writes. */
export async function effect(store: Store): Promise<string> {
  const key = freshKey()
  const { record, now } = await written(store, claimOf(key))
  await written(store, commitOf(record, now))
  return key
}

/** Effects per second through the port, and the 99th percentile of the event loop's delay meanwhile, in milliseconds. */
export async function throughput(
  store: Store,
  effects: number,
  concurrent: number,
): Promise<{ perSecond: number; loopDelayMs: number }> {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  const perSecond = await rate(effects, concurrent, async () => void (await effect(store)))
  delay.disable()
  return { perSecond, loopDelayMs: delay.percentile(99) / 1e6 - RESOLUTION_MS }
}

/** Milliseconds of one claim and one commit, one after the other. */
export function sequential(store: Store, count: number): Promise<number[]> {
  return times(count, async () => void (await effect(store)))
}

/** Microseconds of a read of a committed record. */
export async function reads(store: Store, count: number): Promise<number[]> {
  const keys: string[] = []
  for (let n = 0; n < 50; n += 1) keys.push(await effect(store))
  const samples = await times(
    count,
    () => void store.read(keys[Math.floor(Math.random() * keys.length)] as string, TENANT),
  )
  return samples.map((ms) => ms * 1000)
}

/** Milliseconds of one claim. */
export function claims(store: Store, count: number): Promise<number[]> {
  return times(count, async () => void (await written(store, claimOf(freshKey()))))
}

/** A ledger that already holds committed records, as an old one would: keys spread evenly, filled in their order. */
export async function filledLedger(path: string, records: number): Promise<Store> {
  const store = sqliteStore(path)
  await store.open()
  await effect(store)
  await store.close()
  const database = connect(path, { readOnly: false })
  const insert = database.prepare(INSERT_RECORD)
  const descriptor = JSON.stringify([
    1,
    'keyed',
    'f'.repeat(43),
    1,
    null,
    null,
    'call_1',
    null,
    86_400_000,
    86_400_000,
    null,
    false,
    true,
  ])
  const now = Date.now()
  database.exec('BEGIN IMMEDIATE')
  const key = Buffer.alloc(32)
  for (let n = 0; n < records; n += 1) {
    const id = 10 + n
    const name = `${id}`.padStart(16, 'n')
    // A step of the first six bytes at a time: B-trees fill fast in order, and the result is the same.
    key.writeUIntBE(Math.floor(((n + 0.5) / records) * 2 ** 48), 0, 6)
    key.writeUInt32BE((Math.random() * 2 ** 32) >>> 0, 6)
    insert.run(
      id,
      new Uint8Array(key),
      1,
      2,
      8,
      id,
      id,
      name,
      name,
      3,
      0,
      1,
      0,
      0,
      0,
      now,
      0,
      now,
      now,
      0,
      0,
      null,
      null,
      descriptor,
      INPUT,
      INPUT,
      null,
      null,
      '[',
    )
  }
  database.prepare('UPDATE meta SET sequence = ?').run(10 + records)
  database.exec('COMMIT')
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  database.close()
  await store.open()
  return store
}
