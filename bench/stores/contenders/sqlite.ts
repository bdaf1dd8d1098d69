import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { sqliteStore } from '../../../src/store/sqlite/index.ts'
import { InProgress, type Contender } from '../contender.ts'
import { oursOn } from '../ours.ts'

/** INSERT and UPDATE, each its own durable transaction, on the caller's thread: what a program does by hand. */
const floor: Contender = {
  name: 'floor: node:sqlite INSERT + UPDATE',
  store: 'sqlite',
  floor: true,
  async make(place) {
    const database = new DatabaseSync(join(place.folder, `floor-${place.prefix}.db`), { timeout: 1500 })
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    database.exec('CREATE TABLE IF NOT EXISTS calls (key TEXT PRIMARY KEY, answer TEXT, until INTEGER)')
    const claim = database.prepare(
      'INSERT INTO calls (key, until) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET until = excluded.until WHERE answer IS NULL AND until <= ?',
    )
    const record = database.prepare('UPDATE calls SET answer = ? WHERE key = ?')
    const read = database.prepare('SELECT answer FROM calls WHERE key = ?')
    return {
      async call(key, effect) {
        const now = Date.now()
        if (claim.run(key, now + place.leaseMs, now).changes === 0) {
          const answer = read.get(key)?.['answer'] as string | null | undefined
          if (answer === null || answer === undefined) throw new InProgress(key)
          return JSON.parse(answer)
        }
        const value = await effect({ send: fetch })
        record.run(JSON.stringify(value), key)
        return value
      },
      close: () => Promise.resolve(database.close()),
    }
  },
}

export const contenders: readonly Contender[] = [
  floor,
  ...oursOn('sqlite', 'sqlite', (place) =>
    Promise.resolve({
      store: sqliteStore(join(place.folder, `ours-${place.prefix}.db`)),
      end: () => Promise.resolve(),
    }),
  ),
]
