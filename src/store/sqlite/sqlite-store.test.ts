import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Worker } from 'node:worker_threads'
import { afterAll, describe, it } from 'vitest'
import { storeSuite } from '../../testing/index.ts'
import { sqliteStore } from './index.ts'

const workers: Worker[] = []
process.on('worker', (worker) => workers.push(worker))

for (const onCallersThread of [false, true]) suite(onCallersThread)

function suite(onCallersThread: boolean): void {
  storeSuite(
    onCallersThread ? 'sqlite, on the caller’s thread' : 'sqlite',
    {
      means: ['crash', 'another', 'stepClock', 'obstruct', 'contents'],
      async open() {
        const folder = mkdtempSync(join(tmpdir(), 'onefold-sqlite-'))
        const path = join(folder, 'ledger.db')
        const clockSkewMs = new Float64Array(new SharedArrayBuffer(8))
        const start = async (): Promise<ReturnType<typeof sqliteStore>> => {
          const store = sqliteStore({ path, clockSkewMs, busyMs: 200, onCallersThread })
          await store.open()
          opened.push(store)
          return store
        }
        const opened: ReturnType<typeof sqliteStore>[] = []
        const store = await start()
        const own = workers.at(-1)
        return {
          store,
          another: start,
          async crash() {
            await own?.terminate()
            return await start()
          },
          stepClock(ms) {
            clockSkewMs[0] = (clockSkewMs[0] ?? 0) + ms
          },
          async obstruct() {
            const other = new DatabaseSync(path)
            other.exec('BEGIN IMMEDIATE')
            return async () => other.close()
          },
          async contents() {
            const file = new DatabaseSync(path, { readOnly: true })
            const tables = file.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
            const rows = tables.flatMap(({ name }) => file.prepare(`SELECT * FROM ${String(name)}`).all())
            file.close()
            return JSON.stringify(rows, (_, value: unknown) =>
              value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
            )
          },
          async close() {
            await Promise.all(opened.map((each) => each.close()))
            rmSync(folder, { recursive: true })
          },
        }
      },
    },
    { describe, it, afterAll },
  )
}
