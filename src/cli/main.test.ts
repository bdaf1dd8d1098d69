import { spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { existsSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { createGuard } from '../engine/index.ts'
import { sqliteStore } from '../store/sqlite/index.ts'
import { systemClock, systemIds, systemProcesses } from '../system/index.ts'

const bin = fileURLToPath(new URL('../../bin/onefold.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'onefold-main-'))
const { NODE_OPTIONS: _options, ...inherited } = process.env
const env = { ...inherited, NO_COLOR: '1', XDG_STATE_HOME: join(folder, 'state'), HOME: folder }

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function onefold(args: readonly string[], stdout: 'pipe' | number = 'pipe'): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [bin, ...args], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 20_000,
    env,
    stdio: ['ignore', stdout, 'pipe'],
  })
}

describe('wrong use', () => {
  it.each([
    [['mcp', '--http', '99999', '--', 'true'], 'from 0 to 65535'],
    [['gateway', '--port', '65536', '--upstream', 'http://127.0.0.1:1'], 'from 0 to 65535'],
    [['gateway', '--port', '', '--upstream', 'http://127.0.0.1:1'], 'from 0 to 65535'],
    [['doctor', '--layer', 'gateway=4x30s'], "'--layer' has an effect only with --retries"],
    [['doctor', '--retries', '--store', 'sqlite:x.db'], "'--store' has an effect only without --retries"],
    [['demo', '--seed', '3'], "'--seed' has an effect only for black-friday and lost-answers"],
    [['demo', 'IN-3', '--orders', '9'], "'--orders' has an effect only for black-friday"],
    [['demo', 'black-friday', '--returns', '9'], "'--returns' has an effect only for lost-answers"],
    [
      ['probe', '--count', 'echo 1', '--tool', 'x', '--body', '{}', '--', 'true'],
      "'--body' has an effect only with --url",
    ],
    [['mcp', '--host', '0.0.0.0', '--', 'true'], "'--host' has an effect only with --http"],
  ])('is refused before anything runs: %j', (args, says) => {
    expect(onefold(args)).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining(says) })
  })

  it.each([
    [['ledger', 'list', '--json', '--limt', '3'], '(Did you mean --limit?)'],
    [['ledger', 'show', '--json'], "missing required argument 'key'"],
    [['stats', '--json'], "unknown command 'stats'"],
  ])('is data where data was asked for: %j', (args, says) => {
    const { status, stdout, stderr } = onefold(args)
    expect([status, stderr]).toEqual([2, ''])
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'INPUT_INVALID', message: expect.stringContaining(says), effect: 'none' },
    })
  })

  it.each([['-h'], ['ledger', '-h'], ['ledger', 'list', '-h'], ['mcp', '-h']])(
    'is not: asking for help by %s %s %s',
    (...args) => {
      expect(onefold(args.filter(Boolean))).toMatchObject({
        status: 0,
        stdout: expect.stringContaining('Usage: onefold'),
      })
    },
  )
})

describe('Ctrl-C', () => {
  const ready = [
    process.execPath,
    '-e',
    "process.stderr.write('ready'); process.stdin.resume(); setInterval(() => {}, 1e6)",
  ]

  it.each([
    [['init', '--', ...ready]],
    [['audit', 'tools', '--', ...ready]],
    [['mcp', '--dry-run', '--', ...ready]],
    [['ledger', 'reconcile', '--tool', 'refund', '--', ...ready]],
  ])('ends a command as cancelled: %j', { timeout: 30_000 }, async ([...args]) => {
    const child = spawn(process.execPath, [bin, ...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      if (!said.includes('ready') && `${said}${String(chunk)}`.includes('ready')) child.kill('SIGINT')
      said += String(chunk)
    })
    const code = await new Promise((resolve) => child.on('close', resolve))
    expect(said).toBe('readyonefold: cancelled\n')
    expect(code).toBe(130)
  })
})

it.skipIf(!existsSync('/dev/full'))(
  'says that a full disk has cut off what was printed, and does not look like success',
  async () => {
    const file = join(folder, 'ledger.db')
    const system = { clock: systemClock(), ids: systemIds(), processes: systemProcesses() }
    const guard = createGuard({ store: sqliteStore(file), ...system })
    await guard.once('something', () => 'done')
    await guard.close()
    const { status, stderr } = onefold(['ledger', 'export', '--store', `sqlite:${file}`], openSync('/dev/full', 'w'))
    expect(stderr).toBe('onefold: standard output cannot be written (ENOSPC); what stands there is not complete\n')
    expect(status).toBe(2)
  },
)
