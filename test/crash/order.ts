import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Row } from '../explore/rows.ts'
import { startDownstream } from '../support/downstream.ts'
import { build } from './build.ts'
import type { Task } from './task.ts'

/** Of the operating system, where it is installed. */
const STRACE = 'strace'

/** Traces one call and finds, in this order, the steps by which a marker comes before the first byte. */
export async function orderRow(): Promise<Row | string> {
  if (spawnSync(STRACE, ['-V']).status !== 0) return 'order of writes: skipped, strace is not installed'
  const built = await build()
  const downstream = await startDownstream()
  const folder = mkdtempSync(join(tmpdir(), 'onefold-crash-order-'))
  try {
    const task: Task = {
      url: downstream.url,
      ledger: join(folder, 'ledger.db'),
      spool: join(folder, 'spool'),
      run: 'order',
      works: [{ kind: 'keyed', prepared: false, ref: 'traced' }],
      concurrent: false,
    }
    const trace = join(folder, 'trace')
    const calls = 'trace=fsync,fdatasync,pwrite64,connect,write,writev,sendto'
    const options = ['-f', '-y', '-s', '120', '-e', calls, '-o', trace]
    const traced = spawnSync(STRACE, [...options, process.execPath, built.child, JSON.stringify(task)], {
      timeout: 30_000,
    })
    if (traced.status !== 0)
      return `order of writes: skipped, strace cannot trace here (${traced.stderr.toString().slice(0, 200)})`
    return rowOf(readFileSync(trace, 'utf8').split('\n'), new URL(downstream.url).port)
  } finally {
    rmSync(folder, { recursive: true, force: true })
    await downstream.close()
    built.remove()
  }
}

/** The steps in order; every one is looked for behind the one before. */
const stepsOf = (port: string): readonly (readonly [name: string, pattern: RegExp])[] => [
  ['the call', /write\(1.*\\"type\\":\\"call\\"/],
  ['write of the marker', /pwrite64\(\d+<[^>]*ledger\.db-wal>/],
  ['fsync of the marker', /f(data)?sync\(\d+<[^>]*ledger\.db-wal>/],
  ['connect to the downstream', new RegExp(`connect\\(.*htons\\(${port}\\)`)],
  ['the request', /"POST \/effects\/traced/],
  ['write of the commit', /pwrite64\(\d+<[^>]*ledger\.db-wal>/],
  ['fsync of the commit', /f(data)?sync\(\d+<[^>]*ledger\.db-wal>/],
  ['the answer to the caller', /write\(1.*\\"type\\":\\"told\\"/],
]

function rowOf(lines: readonly string[], port: string): Row {
  const found: string[] = []
  let from = 0
  for (const [name, pattern] of stepsOf(port)) {
    const at = lines.findIndex((line, index) => index >= from && pattern.test(line))
    if (at === -1) {
      return {
        name: 'order of writes',
        value: `${name} is missing after: ${found.join(', ')}`,
        target: ORDER,
        ok: false,
      }
    }
    found.push(name)
    from = at + 1
  }
  // Nothing may reach the downstream before the marker is on the disk.
  const connect = lines.findIndex((line) => line.includes(`htons(${port})`))
  const sync = lines.findIndex(
    (line, index) =>
      index > lines.findIndex((text) => /\\"type\\":\\"call\\"/.test(text)) && /f(data)?sync\(/.test(line),
  )
  return { name: 'order of writes', value: found.join(' → '), target: ORDER, ok: sync !== -1 && sync < connect }
}

const ORDER = 'fsync(marker) → connect → fsync(commit)'
