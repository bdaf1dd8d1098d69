/**
 * A real downstream program with a ledger of its own: an HTTP service and a mail server that perform effects (rows in its
 * SQLite database) and can be told to lose requests or answers. What it counts is what happened; scenarios look nowhere else.
 * Runs as a process of its own: `node town.process.ts FILE`; prints its two ports; ends with its parent's standard input.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { DatabaseSync } from 'node:sqlite'
import { startMailServer } from './mail-server.ts'

const database = new DatabaseSync(process.argv[2] ?? ':memory:')
database.exec(`
  CREATE TABLE IF NOT EXISTS effects (n INTEGER PRIMARY KEY, ref TEXT NOT NULL, key TEXT, run TEXT, body TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS effects_of_ref ON effects (ref);
  CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, ref TEXT NOT NULL, body TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS requests (n INTEGER PRIMARY KEY, ref TEXT NOT NULL, headers TEXT NOT NULL);
`)
const insert = database.prepare('INSERT INTO effects (ref, key, run, body) VALUES (?, ?, ?, ?)')
const remember = database.prepare('INSERT INTO answers (key, ref, body) VALUES (?, ?, ?)')
const recall = database.prepare('SELECT body FROM answers WHERE key = ?')
const find = database.prepare('SELECT n FROM effects WHERE ref = ? ORDER BY n LIMIT 1')
const log = database.prepare('INSERT INTO requests (ref, headers) VALUES (?, ?)')

/**
 * What is to happen to the next requests for a reference: `lose-request`, `lose-answer`, `fail-before`, `fail-after` (503),
 * `lie` (202 without the effect), `refuse` (422), `limit-after` (429 after the effect), `slow:MS` (acts late), `stall:MS` (answers late), `hold` (answers
 * when released). A PUT sets: repeated, it changes nothing.
 */
const plans = new Map<string, string[]>()
const held = new Map<string, (() => void)[]>()
/** Whether equal idempotency keys are honoured. */
let keyed = true
/** References that begin so belong to a service that knows no idempotency keys, whatever the others do. */
const PLAIN = 'plain/'

const server = createServer((request, response) => {
  handle(request, response).catch((error: unknown) => {
    response.statusCode = 500
    response.end(String(error))
  })
})

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://downstream')
  const [, area = '', ...rest] = url.pathname.split('/').map(decodeURIComponent)
  const ref = rest.join('/')
  const body = await text(request)
  const json = (status: number, value: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(value))
  }
  if (area === 'plan') {
    plans.set(ref, JSON.parse(body) as string[])
    return json(200, {})
  }
  if (area === 'keyed') {
    keyed = body === 'true'
    return json(200, {})
  }
  if (area === 'release') {
    for (const go of held.get(ref)?.splice(0) ?? []) go()
    return json(200, {})
  }
  if (area === 'query') return json(200, database.prepare(body).all())
  if (area !== 'effects') return json(404, {})
  if (request.method === 'GET') {
    const row = find.get(ref)
    return row === undefined ? json(404, {}) : json(200, { id: `effect-${String(row['n'])}`, ref })
  }
  log.run(ref, JSON.stringify(request.headers))
  await perform(ref, body, request, response, json)
}

async function perform(
  ref: string,
  body: string,
  request: IncomingMessage,
  response: ServerResponse,
  json: (status: number, value: unknown) => void,
): Promise<void> {
  const fault = plans.get(ref)?.shift() ?? ''
  if (fault === 'lose-request') return void response.destroy()
  if (fault === 'lie') return json(202, { id: 'promised', ref })
  if (fault === 'fail-before') return json(503, { error: 'try later' })
  if (fault === 'refuse') return json(422, { error: 'refused' })
  if (fault.startsWith('slow:')) await pause(Number(fault.slice(5)))
  const there = request.method === 'PUT' ? find.get(ref) : undefined
  if (there !== undefined) return json(200, { id: `effect-${String(there['n'])}`, ref })
  const key = header(request, 'idempotency-key')
  const honoured = keyed && !ref.startsWith(PLAIN)
  const known = honoured && key !== undefined ? recall.get(key) : undefined
  if (known !== undefined) return json(200, JSON.parse(String(known['body'])))
  const { lastInsertRowid } = insert.run(ref, key ?? null, header(request, 'onefold-run') ?? null, body)
  const answer = { id: `effect-${String(lastInsertRowid)}`, ref }
  if (honoured && key !== undefined) remember.run(key, ref, JSON.stringify(answer))
  if (fault === 'lose-answer') return void response.destroy()
  if (fault === 'fail-after') return json(503, { error: 'gateway time-out' })
  if (fault === 'limit-after') return json(429, { error: 'slow down' })
  if (fault.startsWith('stall:')) await pause(Number(fault.slice(6)))
  if (fault === 'hold') await new Promise<void>((resolve) => held.set(ref, [...(held.get(ref) ?? []), resolve]))
  return json(201, answer)
}

const header = (request: IncomingMessage, name: string): string | undefined => {
  const value = request.headers[name]
  return typeof value === 'string' ? value : undefined
}

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

const mailServer = startMailServer((mail) => {
  const fault = plans.get(mail.ref)?.shift() ?? ''
  if (fault === 'lose-request') return 'drop'
  insert.run(mail.ref, mail.id ?? null, null, mail.text)
  return fault === 'lose-answer' ? 'drop' : 'accept'
})

server.listen(0, '127.0.0.1', () => {
  mailServer.listen(0, '127.0.0.1', () => {
    const ports = [server, mailServer].map((each) => {
      const address = each.address()
      return typeof address === 'object' && address !== null ? address.port : 0
    })
    process.stdout.write(`${ports.join(' ')}\n`)
  })
})
process.stdin.on('end', () => process.exit(0)).resume()
