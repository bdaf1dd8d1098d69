/**
 * The control: the usual pattern. A record "in progress" that expires, deleted when the work throws, taken over when it
 * has expired. It dies at the same places as the guarded processes do; that it then repeats effects shows that the kills
 * fall where they matter.
 */
import { writeSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Task } from './task.ts'

const EXPIRY_MS = 100

const task = JSON.parse(process.argv[2] as string) as Task
const database = new DatabaseSync(task.ledger)
database.exec(`
  PRAGMA busy_timeout = 2000;
  PRAGMA journal_mode = WAL;
  CREATE TABLE IF NOT EXISTS records (ref TEXT PRIMARY KEY, until INTEGER NOT NULL, answer TEXT);
`)
const find = database.prepare('SELECT until, answer FROM records WHERE ref = ?')
const insert = database.prepare('INSERT OR IGNORE INTO records (ref, until) VALUES (?, ?)')
const takeOver = database.prepare('UPDATE records SET until = ? WHERE ref = ? AND until = ? AND answer IS NULL')
const finish = database.prepare('UPDATE records SET answer = ? WHERE ref = ?')
const remove = database.prepare('DELETE FROM records WHERE ref = ?')

const say = (line: object): void => void writeSync(1, `${JSON.stringify(line)}\n`)

function passed(point: string): void {
  if (task.die?.point !== point) return
  say({ type: 'dying', point })
  process.kill(process.pid, 'SIGKILL')
}

async function perform(ref: string): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    const record = find.get(ref) as { until: number; answer: string | null } | undefined
    if (record !== undefined && record.answer !== null) return say({ type: 'told', ref, told: 'success' })
    const now = Date.now()
    if (record !== undefined && record.until > now) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      continue
    }
    passed('before-claim')
    const until = now + EXPIRY_MS
    const claimed = record === undefined ? insert.run(ref, until) : takeOver.run(until, ref, record.until)
    if (claimed.changes === 0) continue
    passed('claimed')
    passed('marked')
    try {
      const response = await fetch(`${task.url}/effects/${encodeURIComponent(ref)}`, { method: 'POST', body: '{}' })
      if (!response.ok) throw new Error(`answered ${response.status}`)
      const answer = await response.text()
      passed('answered')
      passed('before-commit')
      finish.run(answer, ref)
      passed('committed')
    } catch {
      remove.run(ref)
    }
  }
}

say({ type: 'go' })
await Promise.all(task.works.map(({ ref }) => perform(ref)))
say({ type: 'done' })
