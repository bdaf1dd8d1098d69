import type { DatabaseSync } from 'node:sqlite'

/** The kinds of effects that the shop counts. */
export const KINDS = ['order', 'refund', 'mail'] as const
export type Kind = (typeof KINDS)[number]

/** One effect that happened. */
export interface Entry {
  readonly seq: number
  readonly kind: Kind
  /** Names the wish: two entries with the same kind and id are one wish done twice. */
  readonly id: string
}

/** What happened, counted: `done` entries for `distinct` wishes. */
export interface Count {
  readonly kind: Kind
  readonly done: number
  readonly distinct: number
}

/** The shop's own books, in its own database: nothing here knows of Onefold. */
export interface Books {
  /** Writes an effect down: a parcel is packed, money moves, a mail leaves. */
  enter(kind: Kind, id: string, detail: string): Entry
  /** The entry that was made under an idempotency key. */
  underKey(key: string): Entry | undefined
  remember(key: string, entry: Entry): void
  find(kind: Kind, id: string): Entry | undefined
  counts(): readonly Count[]
  close(): void
}

/** Opens the books in `path`. */
export function openBooks(path: string): Books {
  const { DatabaseSync: Database } = process.getBuiltinModule('node:sqlite')
  const database: DatabaseSync = new Database(path)
  database.exec(`
    PRAGMA synchronous = OFF;
    CREATE TABLE effects (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, detail TEXT NOT NULL);
    CREATE TABLE keys (key TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
  `)
  const insert = database.prepare('INSERT INTO effects (kind, id, detail) VALUES (?, ?, ?) RETURNING seq, kind, id')
  const insertKey = database.prepare('INSERT INTO keys (key, seq) VALUES (?, ?)')
  const byKey = database.prepare('SELECT seq, kind, id FROM effects WHERE seq = (SELECT seq FROM keys WHERE key = ?)')
  const byId = database.prepare('SELECT seq, kind, id FROM effects WHERE kind = ? AND id = ? ORDER BY seq LIMIT 1')
  const count = database.prepare('SELECT kind, count(*) done, count(DISTINCT id) "distinct" FROM effects GROUP BY kind')
  return {
    enter: (kind, id, detail) => insert.get(kind, id, detail) as unknown as Entry,
    underKey: (key) => byKey.get(key) as unknown as Entry | undefined,
    remember: (key, entry) => void insertKey.run(key, entry.seq),
    find: (kind, id) => byId.get(kind, id) as unknown as Entry | undefined,
    counts: () => {
      const rows = count.all() as unknown as readonly Count[]
      return KINDS.map((kind) => ({ ...(rows.find((row) => row.kind === kind) ?? { kind, done: 0, distinct: 0 }) }))
    },
    close: () => database.close(),
  }
}
