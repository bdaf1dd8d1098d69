/**
 * What the proxy costs over HTTP: a client of bytes calls a server of a few lines, directly and through the proxy, in
 * turns, all in real processes; the ledger is on the disk of this machine.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { serve, serveProxy } from '../../test/mcp/fixtures/http-harness.ts'
import { median, rate, type Row } from '../lib.ts'
import { firstCallRows, WARM_UP, type FirstCalls, type Floor } from './floor.ts'

const SERVER = fileURLToPath(new URL('./server.process.ts', import.meta.url))
const agent = new Agent({ keepAlive: true, maxSockets: 64 })
let ids = 0

function ask(url: URL, method: string, params: object): Promise<number> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: (ids += 1), method, params })
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
    const sent = request(
      { agent, host: url.hostname, port: url.port, path: url.pathname, method: 'POST', headers },
      (response) => {
        let size = 0
        response.on('data', (chunk: Buffer) => (size += chunk.byteLength))
        response.on('end', () => resolve(size))
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

/** Resident memory of a process in bytes; undefined where the system does not tell. */
function resident(pid: number): number | undefined {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
  } catch {
    return undefined
  }
}

export async function httpRows(folder: string, quick: boolean, floor: Floor): Promise<readonly Row[]> {
  const rounds = quick ? 200 : 1_000
  const config = join(folder, 'http.yaml')
  const write = '{ effect: write, identity: [to, text], recovery: manual }'
  writeFileSync(config, `store: sqlite:./http.db\nmcp:\n  name: bench\n  tools: { write: ${write}, slow: ${write} }\n`)
  const server = await serve([SERVER], process.env as Record<string, string>)
  const proxy = await serveProxy(['--config', config, '--upstream', server.url], process.env as Record<string, string>)
  const [direct, through] = [new URL(server.url), new URL(proxy.url)]
  const call = (url: URL, name: string, text: string): Promise<unknown> =>
    ask(url, 'tools/call', { name, arguments: { to: 'a@example', text } })
  try {
    const first: FirstCalls = { added: [], floor: [] }
    const samples = { slow: [] as number[], replay: [] as number[], listed: [] as number[] }
    for (let round = -WARM_UP; round < rounds; round += 1) {
      const straight = await timed(() => call(direct, 'write', `text ${round}`))
      const proxied = await timed(() => call(through, 'write', `text ${round}`))
      const slow = await timed(() => call(direct, 'slow', 'the same'))
      const replay = await timed(() => call(through, 'slow', 'the same'))
      first.added.push(proxied - straight)
      first.floor.push(floor.measure())
      if (round < 0) continue
      samples.slow.push(slow)
      samples.replay.push(replay)
    }
    for (let round = -10; round < rounds / 10; round += 1) {
      const plain = await timed(() => ask(direct, 'tools/list', {}))
      const rewritten = await timed(() => ask(through, 'tools/list', {}))
      if (round >= 0) samples.listed.push(rewritten - plain)
    }
    const calls = quick ? 10_000 : 100_000
    let next = 0
    const half = async (): Promise<number | undefined> => {
      await rate(calls / 2, 32, () => call(through, 'write', `many ${(next += 1)}`) as Promise<void>)
      return resident(proxy.child.pid ?? 0)
    }
    const [before, after] = [await half(), await half()]
    return [
      ...firstCallRows('proxy over HTTP', first, 1.5),
      {
        name: 'proxy over HTTP: a 5 ms server by a replay, p50',
        value: median(samples.slow) / median(samples.replay),
        unit: '×',
        target: { atLeast: 3 },
        note: `${median(samples.slow).toFixed(2)} ms by ${median(samples.replay).toFixed(2)} ms`,
      },
      {
        name: 'proxy over HTTP: added to tools/list of 1,000 tools, p50',
        value: median(samples.listed),
        unit: 'ms',
        target: { atMost: 5 },
      },
      ...(before === undefined || after === undefined
        ? []
        : [
            {
              name: `proxy: resident memory after ${calls.toLocaleString('en')} writes by that after half of them`,
              value: after / before,
              unit: '×',
              // The page cache of the ledger, 64 MiB, is full after some 40,000 writes: a quick run sees it grow.
              ...(quick ? {} : { target: { atMost: 1.1 } }),
              note: `${(before / 2 ** 20).toFixed(0)} MiB, then ${(after / 2 ** 20).toFixed(0)} MiB`,
            },
          ]),
    ]
  } finally {
    agent.destroy()
    await Promise.all([proxy.stop(), server.stop()])
  }
}
