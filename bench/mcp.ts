/**
 * Added latency per call of the stdio proxy: a client of bytes calls a server of a few lines, directly and through the
 * proxy, in turns, all in real processes. The ledger is the embedded one, on the disk of this machine.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { median, type Measured, type Row } from './lib.ts'
import type { BenchOptions } from './main.ts'
import { firstCallRows, openFloor, WARM_UP, type FirstCalls } from './mcp/floor.ts'
import { httpRows } from './mcp/http.ts'
import { PROGRAMS } from '../test/mcp/fixtures/harness.ts'
import { rawClient, type RawClient } from '../test/mcp/fixtures/raw-client.ts'

const call = (id: number, tool: string, text: string): string =>
  JSON.stringify({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: tool, arguments: { to: 'a@example', text } },
  })

async function timed(client: RawClient, line: string): Promise<number> {
  const start = performance.now()
  await client.ask(line)
  return performance.now() - start
}

/** `npm run bench -- mcp`. */
export async function run({ quick }: BenchOptions): Promise<Measured> {
  const rounds = quick ? 200 : 1_000
  const folder = mkdtempSync(join(tmpdir(), 'onefold-bench-mcp-'))
  const config = join(folder, 'onefold.yaml')
  writeFileSync(
    config,
    `store: sqlite:./ledger.db
mcp:
  name: bench
  tools:
    read: { effect: read }
    write: { effect: write, identity: [to, text], recovery: manual }
`,
  )
  const floor = openFloor(folder)
  const server = [process.execPath, PROGRAMS.rawServer] as const
  const plain = rawClient(server[0], server.slice(1), process.env)
  const proxy = rawClient(process.execPath, [PROGRAMS.proxy, '--config', config, '--', ...server], process.env)
  try {
    const kinds = ['read', 'write', 'undeclared', 'replay'] as const
    const added: Record<(typeof kinds)[number], number[]> = { read: [], write: [], undeclared: [], replay: [] }
    const first: FirstCalls = { added: [], floor: [] }
    const direct: number[] = []
    let id = 0
    for (const client of [plain, proxy]) await client.ask('{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}')
    for (let round = -WARM_UP; round < rounds; round += 1) {
      for (const kind of kinds) {
        const line = call(
          (id += 1),
          kind === 'replay' ? 'write' : kind,
          kind === 'replay' ? 'the same' : `text ${round}`,
        )
        const straight = await timed(plain, line)
        const through = await timed(proxy, line)
        if (kind === 'write') first.added.push(through - straight)
        if (round < 0) continue
        added[kind].push(through - straight)
        direct.push(straight)
      }
      first.floor.push(floor.measure())
    }
    const row = (name: string, value: number): Row => ({ name, value, unit: 'ms' })
    return {
      bench: 'mcp',
      setup: {
        calls: `${rounds} of each kind after ${WARM_UP}, one after the other, direct and through the proxy in turns`,
      },
      rows: [
        ...firstCallRows('proxy', first, 1),
        row('proxy: added to a first call of an undeclared tool, p50', median(added.undeclared)),
        row('proxy: added to a replay, p50', median(added.replay)),
        row('proxy: added to a read, p50', median(added.read)),
        row('direct call, p50', median(direct)),
        ...(await httpRows(folder, quick, floor)),
      ],
    }
  } finally {
    for (const client of [plain, proxy]) client.end()
    await Promise.all([plain.exited, proxy.exited])
    floor.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
