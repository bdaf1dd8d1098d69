/**
 * The gateway against the same proxy without a ledger. Service, both proxies and this client are processes of their own
 * on one machine; the proxies take turns, so that a neighbour disturbs both, and ratios are of medians.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { openLine, type Line } from './gateway/client.ts'
import { median, rate, times, type Measured, type Row } from './lib.ts'
import type { BenchOptions } from './main.ts'

const CONCURRENT = 64
const ROUNDS = 3
const ORDERS = 500
const DUPLICATES = 14_000

export async function run({ quick }: BenchOptions): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), 'onefold-bench-gateway-'))
  const service = await startProgram('service.ts', [])
  const upstream = `http://127.0.0.1:${service.port}`
  const plain = await startProgram('plain.ts', [upstream])
  const guarded = await startProgram('guarded.ts', [upstream, join(folder, 'ledger.db')])
  try {
    const count = quick ? 2_000 : 6_000
    const rows = [
      ...(await throughputRows(plain, guarded, count)),
      ...(await latencyRows(plain, guarded, quick ? 200 : 600)),
      ...(await saleRows(service, guarded)),
    ]
    return {
      bench: 'gateway',
      rows,
      setup: { requests: String(count), concurrent: String(CONCURRENT), ledger: 'sqlite, synchronous=FULL', folder },
    }
  } finally {
    await Promise.all([plain, guarded, service].map((program) => program.end()))
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Program {
  readonly port: number
  tell(text: string): Promise<string>
  end(): Promise<void>
}

async function startProgram(file: string, args: readonly string[]): Promise<Program> {
  const path = fileURLToPath(new URL(`./gateway/${file}`, import.meta.url))
  const child: ChildProcess = spawn(process.execPath, ['-C', 'onefold-source', '--expose-gc', path, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const next = async (): Promise<string> => String((await once(lines, 'line'))[0])
  const port = Number(await next())
  return {
    port,
    tell: (text) => {
      const answer = next()
      child.stdin?.write(`${text}\n`)
      return answer
    },
    end: async () => {
      child.stdin?.end()
      if (child.exitCode === null) await once(child, 'exit')
    },
  }
}

let numbers = 0
const body = (n: number): string =>
  JSON.stringify({
    customer: `c-${n % 97}`,
    order: n,
    items: [
      { sku: 'A-1', quantity: 2 },
      { sku: 'B-7', quantity: 1 },
    ],
  })

const PATH = '/v1/orders'

async function lines(port: number, count: number): Promise<readonly Line[]> {
  return await Promise.all(Array.from({ length: count }, () => openLine(port)))
}

/** Requests per second over 64 connections; `make` gives key and body of the next one. */
async function throughput(
  port: number,
  count: number,
  make: () => readonly [key: string, body: string],
): Promise<number> {
  const free = [...(await lines(port, CONCURRENT))]
  const perSecond = await rate(count, CONCURRENT, async () => {
    const line = free.pop() as Line
    const [key, text] = make()
    const reply = await line.post(PATH, key, text)
    if (reply.status !== 201) throw new Error(`answered ${reply.status}: ${reply.body}`)
    free.push(line)
  })
  for (const line of free) line.end()
  return perSecond
}

const fresh = (): readonly [string, string] => {
  numbers += 1
  return [`key-${numbers}-${process.pid}`, body(numbers)]
}

async function throughputRows(plain: Program, guarded: Program, count: number): Promise<Row[]> {
  const base: number[] = []
  const first: number[] = []
  const replays: number[] = []
  await throughput(plain.port, count / 4, fresh)
  await throughput(guarded.port, count / 4, fresh)
  const known = Array.from({ length: 200 }, fresh)
  for (const [key, text] of known) await once_(guarded.port, key, text)
  let turn = 0
  const again = (): readonly [string, string] => known[(turn += 1) % known.length] as readonly [string, string]
  for (let round = 0; round < ROUNDS; round += 1) {
    base.push(await throughput(plain.port, count, fresh))
    first.push(await throughput(guarded.port, count, fresh))
    // Spread over 200 operations, and the breaker's window is not reached by any of them.
    replays.push(await throughput(guarded.port, Math.min(count, 6_000), again))
  }
  return [
    { name: `plain proxy at ${CONCURRENT} connections`, value: Math.round(median(base)), unit: '/s' },
    { name: 'gateway: first calls', value: Math.round(median(first)), unit: '/s' },
    {
      name: 'gateway: first calls against the plain proxy',
      value: median(first) / median(base),
      unit: '',
      target: { atLeast: 0.5 },
    },
    { name: 'gateway: replays', value: Math.round(median(replays)), unit: '/s' },
    {
      name: 'gateway: replays against the plain proxy',
      value: median(replays) / median(base),
      unit: '',
      target: { atLeast: 1.3 },
    },
  ]
}

async function once_(port: number, key: string, text: string): Promise<void> {
  const line = await openLine(port)
  await line.post(PATH, key, text)
  line.end()
}

async function latencyRows(plain: Program, guarded: Program, count: number): Promise<Row[]> {
  const [direct, through] = [await openLine(plain.port), await openLine(guarded.port)]
  const post = (line: Line) => async () => {
    const [key, text] = fresh()
    await line.post(PATH, key, text)
  }
  await times(50, post(direct))
  await times(50, post(through))
  const base: number[] = []
  const first: number[] = []
  for (let part = 0; part < 4; part += 1) {
    base.push(...(await times(count / 4, post(direct))))
    first.push(...(await times(count / 4, post(through))))
  }
  const [key, text] = fresh()
  await through.post(PATH, key, text)
  const replay = await times(100, async () => void (await through.post(PATH, key, text)))
  direct.end()
  through.end()
  return [
    { name: 'plain proxy, p50', value: median(base), unit: 'ms' },
    { name: 'gateway: first call, p50', value: median(first), unit: 'ms' },
    {
      name: 'gateway: added per first call, p50',
      value: median(first) - median(base),
      unit: 'ms',
      target: { atMost: 1.2 },
    },
    { name: 'gateway: replay, p50', value: median(replay), unit: 'ms' },
  ]
}

/** A flash sale: every order is sent again and again, as fast as the client can. */
async function saleRows(service: Program, guarded: Program): Promise<Row[]> {
  const count = async (): Promise<number> =>
    Number(await (await fetch(`http://127.0.0.1:${service.port}/count`)).text())
  const before = await count()
  const orders = Array.from({ length: ORDERS }, fresh)
  const originals = new Map<string, string>()
  let wrong = 0
  const memoryBefore = await memory(guarded)
  const free = [...(await lines(guarded.port, CONCURRENT))]
  let turn = 0
  const started = performance.now()
  await rate(ORDERS + DUPLICATES, CONCURRENT, async () => {
    const line = free.pop() as Line
    const [key, text] = orders[(turn += 1) % ORDERS] as readonly [string, string]
    const reply = await line.post(PATH, key, text)
    const original = originals.get(key) ?? reply.body
    originals.set(key, original)
    if (reply.status !== 201 || reply.body !== original) wrong += 1
    free.push(line)
  })
  const seconds = (performance.now() - started) / 1000
  for (const line of free) line.end()
  const memoryAfter = await memory(guarded)
  return [
    { name: `flash sale: ${DUPLICATES} duplicates of ${ORDERS} orders`, value: seconds, unit: 's' },
    { name: 'flash sale: effects', value: (await count()) - before, unit: '', target: { atMost: ORDERS } },
    { name: 'flash sale: answers that are not the original', value: wrong, unit: '', target: { atMost: 0 } },
    {
      name: 'flash sale: memory grown',
      value: (memoryAfter - memoryBefore) / 2 ** 20,
      unit: 'MiB',
      target: { atMost: 16 },
    },
  ]
}

const memory = async (program: Program): Promise<number> => Number((await program.tell('memory')).split(' ')[1])
