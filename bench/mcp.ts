/**
 * Added latency per call of the stdio proxy: a client of bytes calls a server of a few lines, directly and through the
 * proxy, in turns, all in real processes. The ledger is the embedded one, on the disk of this machine.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { median, times, type Measured, type Row } from './lib.ts'
import type { BenchOptions } from './main.ts'
import { httpRows } from './mcp/http.ts'
import { PROGRAMS } from '../test/mcp/fixtures/harness.ts'
import { rawClient, type RawClient } from '../test/mcp/fixtures/raw-client.ts'

const WARM_UP = 100

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

/** Two raw durable commits: what a protected effect cannot do without. */
async function floorMs(folder: string, rounds: number): Promise<number> {
  const db = new DatabaseSync(join(folder, 'floor.db'))
  db.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (k BLOB PRIMARY KEY, v TEXT) WITHOUT ROWID',
  )
  const insert = db.prepare('INSERT INTO t VALUES (randomblob(32), ?)')
  const samples = await times(rounds, () => {
    insert.run('x'.repeat(500))
    insert.run('x'.repeat(500))
  })
  db.close()
  return median(samples)
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
  const server = [process.execPath, PROGRAMS.rawServer] as const
  const plain = rawClient(server[0], server.slice(1), process.env)
  const proxy = rawClient(process.execPath, [PROGRAMS.proxy, '--config', config, '--', ...server], process.env)
  try {
    const kinds = ['read', 'write', 'undeclared', 'replay'] as const
    const added: Record<(typeof kinds)[number], number[]> = { read: [], write: [], undeclared: [], replay: [] }
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
        const first = await timed(plain, line)
        const through = await timed(proxy, line)
        if (round < 0) continue
        added[kind].push(through - first)
        direct.push(first)
      }
    }
    const row = (name: string, value: number): Row => ({ name, value, unit: 'ms' })
    return {
      bench: 'mcp',
      setup: { calls: `${rounds} of each kind, one after the other, direct and through the proxy in turns` },
      rows: [
        { ...row('proxy: added to a first call of a declared write, p50', median(added.write)), target: { atMost: 1 } },
        row('proxy: added to a first call of an undeclared tool, p50', median(added.undeclared)),
        row('proxy: added to a replay, p50', median(added.replay)),
        row('proxy: added to a read, p50', median(added.read)),
        row('direct call, p50', median(direct)),
        row('floor: two commits in sequence, p50', await floorMs(folder, rounds)),
        ...(await httpRows(folder, quick)),
      ],
    }
  } finally {
    for (const client of [plain, proxy]) client.end()
    await Promise.all([plain.exited, proxy.exited])
    rmSync(folder, { recursive: true, force: true })
  }
}
