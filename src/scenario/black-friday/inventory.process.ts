/**
 * The shop's inventory service: an HTTP API over a real database that does what it is asked, as often as it is asked, and
 * loses answers on a schedule. It honours idempotency keys where it is given them, but for mails.
 * `node inventory.process.ts FILE SEED FAULTS`; prints its port; ends with its parent's standard input.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { DatabaseSync } from 'node:sqlite'
import { answerOf } from './fate.ts'

const [file = ':memory:', seed = '1', faults = ''] = process.argv.slice(2)
const database = new DatabaseSync(file)
// Only a demonstration's counters: a power cut may take them.
database.exec(`
  PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
  CREATE TABLE effects (n INTEGER PRIMARY KEY, kind TEXT NOT NULL, "order" INTEGER NOT NULL, sku TEXT, quantity INTEGER, cents INTEGER, status TEXT);
  CREATE TABLE stock (sku TEXT PRIMARY KEY, free INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE answers (key TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
  CREATE INDEX effects_of_order ON effects ("order");
`)
const insert = database.prepare(
  'INSERT INTO effects (kind, "order", sku, quantity, cents, status) VALUES (?, ?, ?, ?, ?, ?)',
)
const move = database.prepare('UPDATE stock SET free = free - ? WHERE sku = ?')
const fill = database.prepare('INSERT INTO stock (sku, free) VALUES (?, ?)')
const recall = database.prepare('SELECT body FROM answers WHERE key = ?')
const remember = database.prepare('INSERT INTO answers (key, body) VALUES (?, ?)')
const find = database.prepare('SELECT n FROM effects WHERE kind = ? AND "order" = ?')

interface Wish {
  readonly order: number
  readonly sku?: string
  readonly quantity?: number
  readonly cents?: number
  readonly status?: string
}

const arrivals = new Map<string, number>()

/** The effect, and what is to happen to its answer. */
function perform(kind: string, wish: Wish, key: string | undefined): { status: number; body: string; lost: boolean } {
  const about = `${kind}/${wish.order}/${wish.status ?? ''}`
  const nth = (arrivals.get(about) ?? 0) + 1
  arrivals.set(about, nth)
  const fate = faults === 'yes' ? answerOf(Number(seed), about, nth) : 'arrives'
  const known = key === undefined || kind === 'mail' ? undefined : recall.get(key)
  let body = known?.['body'] as string | undefined
  if (body === undefined) {
    const { sku, quantity = 0, cents, status } = wish
    const { lastInsertRowid } = insert.run(kind, wish.order, sku ?? null, quantity, cents ?? null, status ?? null)
    if (sku !== undefined) move.run(kind === 'release' ? -quantity : quantity, sku)
    body = JSON.stringify({ id: `${kind}-${lastInsertRowid}` })
    if (key !== undefined && kind !== 'mail') remember.run(key, body)
  }
  if (fate === 'unavailable') return { status: 503, body: '{"error":"upstream timed out"}', lost: false }
  return { status: 200, body, lost: fate === 'lost' }
}

const server = createServer((request, response) => {
  void handle(request, response).catch(() => response.destroy())
})

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, kind = '', order = ''] = (request.url ?? '').split('/')
  if (request.method === 'GET') {
    const row = find.get(kind, Number(order))
    response.writeHead(row === undefined ? 404 : 200, { 'content-type': 'application/json' })
    return void response.end(row === undefined ? '{}' : JSON.stringify({ id: `${kind}-${String(row['n'])}` }))
  }
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString()
  if (kind === 'query') return void response.end(JSON.stringify(database.prepare(text).all()))
  if (kind === 'stock') {
    for (const [sku, free] of Object.entries(JSON.parse(text) as Record<string, number>)) fill.run(sku, free)
    return void response.end('{}')
  }
  const key = request.headers['idempotency-key']
  const done = perform(kind, JSON.parse(text) as Wish, typeof key === 'string' ? key : undefined)
  if (done.lost) return void response.destroy()
  response.writeHead(done.status, { 'content-type': 'application/json' })
  response.end(done.body)
}

server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.stdout.write(`${typeof address === 'object' && address !== null ? address.port : 0}\n`)
})
process.stdin.on('end', () => process.exit(0)).resume()
