import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createGuard } from '../engine/index.ts'
import { sqliteStore } from '../store/sqlite/index.ts'
import { systemClock, systemIds, systemProcesses } from '../system/index.ts'

const bin = fileURLToPath(new URL('../../bin/onefold.js', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'onefold-where-'))
const model = join(scratch, 'model.db')
let home = ''

beforeAll(async () => {
  const options = { clock: systemClock(), ids: systemIds(), processes: systemProcesses() }
  const guard = createGuard({ store: sqliteStore(model), ...options })
  await guard.once('something', () => 'done')
  await guard.close()
})
beforeEach(() => {
  home = mkdtempSync(join(scratch, 'home-'))
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** Puts a ledger with one operation there. */
function ledgerAt(path: string): string {
  mkdirSync(join(path, '..'), { recursive: true })
  copyFileSync(model, path)
  return path
}

function onefold(args: readonly string[], cwd = home): { status: number | null; stdout: string; stderr: string } {
  const { NODE_OPTIONS: _options, ...env } = process.env
  return spawnSync(process.execPath, [bin, ...args], {
    cwd,
    encoding: 'utf8',
    timeout: 20_000,
    input: '',
    env: { ...env, NO_COLOR: '1', XDG_STATE_HOME: join(home, 'state'), HOME: home },
  })
}

const stats = ['ledger', 'stats', '--json']
const ledgerOf = (args: readonly string[], cwd?: string): unknown =>
  (JSON.parse(onefold(args, cwd).stdout) as { ledger: unknown }).ledger

describe('which ledger', () => {
  it('takes --store before the configuration, and the configuration before the project', () => {
    const own = ledgerAt(join(home, '.onefold/ledger.db'))
    expect(ledgerOf(stats)).toBe(`sqlite:${own}`)
    const configured = ledgerAt(join(home, 'configured.db'))
    writeFileSync(join(home, 'onefold.yaml'), 'store: sqlite:./configured.db\n')
    expect(ledgerOf(stats)).toBe(`sqlite:${configured}`)
    const named = ledgerAt(join(home, 'named.db'))
    expect(ledgerOf([...stats, '--store', 'sqlite:./named.db'])).toBe(`sqlite:${named}`)
    mkdirSync(join(home, 'deep'))
    expect(ledgerOf([...stats, '--config', '../onefold.yaml'], join(home, 'deep'))).toBe(`sqlite:${configured}`)
  })

  it('looks without the key secret, which whoever settles a doubt may not have', () => {
    const folder = join(home, 'secretless')
    mkdirSync(folder)
    const ledger = ledgerAt(join(folder, 'ledger.db'))
    writeFileSync(join(folder, 'onefold.yaml'), 'store: sqlite:./ledger.db\nkeySecret: { env: ONEFOLD_NOT_SET }\n')
    expect(ledgerOf(stats, folder)).toBe(`sqlite:${ledger}`)
    expect(onefold(['doctor'], folder).stdout).toContain('names ONEFOLD_NOT_SET, which is not set')
    expect(onefold(['gateway', '--upstream', 'http://127.0.0.1:9'], folder).status).toBe(2)
  })

  it('looks at an older ledger only when its operator has migrated it', () => {
    const old = new DatabaseSync(ledgerAt(join(home, 'old.db')))
    old.exec('DROP TABLE payloads; PRAGMA user_version = 1')
    old.close()
    const at = ['--store', 'sqlite:./old.db']
    const looked = onefold([...stats, ...at])
    expect(looked.status).toBe(3)
    expect(looked.stdout + looked.stderr).toContain('onefold ledger migrate')
    expect(onefold(['ledger', 'migrate', '--json', ...at]).stdout).toContain('"from": 1')
    expect(onefold([...stats, ...at]).status).toBe(0)
    expect(onefold(['ledger', 'migrate', '--store', 'sqlite:./none.db']).stderr).toContain('There is no ledger at')
    expect(onefold(['ledger', 'migrate', '--role', 'app', ...at]).status).toBe(2)
  })

  it('finds the project’s ledger from a folder inside it', () => {
    const own = ledgerAt(join(home, '.onefold/ledger.db'))
    writeFileSync(join(home, 'package.json'), '{}')
    mkdirSync(join(home, 'src/deep'), { recursive: true })
    expect(ledgerOf(stats, join(home, 'src/deep'))).toBe(`sqlite:${own}`)
  })

  it('takes the only one of the user, and asks when there are several', () => {
    const only = ledgerAt(join(home, 'state/onefold/files-1.db'))
    expect(ledgerOf(stats)).toBe(`sqlite:${only}`)
    const other = ledgerAt(join(home, 'state/onefold/shop-2.db'))
    const { status, stderr } = onefold(['ledger', 'stats'])
    expect(status).toBe(2)
    expect(stderr).toContain(`--store sqlite:${only}`)
    expect(stderr).toContain(`--store sqlite:${other}`)
  })

  it('does not count what a mistyped server left behind, which changes nothing there', () => {
    const typo = onefold(['mcp', '--', 'no-such-server'])
    expect(typo).toMatchObject({ status: 2, stderr: expect.stringContaining('there is no such command') })
    const folder = join(home, 'state/onefold')
    const left = readdirSync(folder)
    expect(left.filter((name) => name.endsWith('.db'))).toHaveLength(1)
    const used = ledgerAt(join(folder, 'shop-2.db'))
    expect(ledgerOf(stats)).toBe(`sqlite:${used}`)
    expect(readdirSync(folder).filter((name) => !name.startsWith('shop-2'))).toEqual(left)
  })

  it.each([
    [['ledger', 'list']],
    [['ledger', 'stats']],
    [['ledger', 'show', 'x']],
    [['ledger', 'export']],
    [['doctor']],
  ])('makes no ledger of an empty file by looking: %j', (command) => {
    writeFileSync(join(home, 'empty.db'), '')
    const { status, stdout, stderr } = onefold([...command, '--store', 'sqlite:./empty.db'])
    expect(stdout + stderr).toContain('the file is empty')
    expect(status).toBe(command[0] === 'doctor' ? 1 : 3)
    expect(readdirSync(home).map((name) => [name, statSync(join(home, name)).size])).toEqual([['empty.db', 0]])
  })

  it.each([
    ['store: sqlite:./x.db\ntenantt: acme\n', 'tenant'],
    ['store: redis://\n', 'redis://host:6379'],
    [': : :\n', 'onefold.yaml'],
  ])('refuses a configuration with a mistake: %j', (text, says) => {
    writeFileSync(join(home, 'onefold.yaml'), text)
    const { status, stderr } = onefold(['ledger', 'stats'])
    expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringContaining('CONFIG_INVALID') })
    expect(stderr).toContain(says)
    const checked = onefold(['doctor'])
    expect(checked).toMatchObject({ status: 1, stdout: expect.stringMatching(/STOP +configuration +CONFIG_INVALID/) })
  })

  it.each(['memory:', 'mysql://x', 'ledger.db'])('refuses --store %s, exit 2', (url) => {
    expect(onefold(['ledger', 'list', '--store', url])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('CONFIG_INVALID'),
    })
  })
})

describe('onefold mcp', () => {
  const marker = (): string => join(home, 'started')
  const server = (): readonly string[] => [
    process.execPath,
    '-e',
    `require('fs').writeFileSync(${JSON.stringify(marker())}, '')`,
  ]

  it('starts no server when the ledger is none: exit 3', () => {
    writeFileSync(join(home, 'odd.db'), 'this is a shopping list, and not a database at all')
    const { status, stdout, stderr } = onefold(['mcp', '--store', 'sqlite:./odd.db', '--', ...server()])
    expect({ status, stdout }).toEqual({ status: 3, stdout: '' })
    expect(stderr).toContain('STORE_UNSAFE')
    expect(readdirSync(home)).not.toContain('started')
  })

  it('starts no server on a mistake in the configuration: exit 2', () => {
    writeFileSync(join(home, 'bad.yaml'), 'mcp: { tools: { send: { effect: wirte } } }\n')
    const { status, stderr } = onefold(['mcp', '--config', 'bad.yaml', '--', ...server()])
    expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringContaining('write') })
    expect(readdirSync(home)).not.toContain('started')
  })

  it('says that a server cannot be started: exit 2', () => {
    const { status, stderr } = onefold(['mcp', '--', 'no-such-server-here', '--flag'])
    expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringContaining('no-such-server-here') })
  })

  it('hands the server its own flags, also those that look like ours, and keeps its ledger in the state folder', () => {
    const script = `process.stderr.write(JSON.stringify(process.argv.slice(1))); process.stdin.resume()`
    const { status, stderr } = onefold(['mcp', process.execPath, '-e', script, 'x', '--json', '--store', 'y', '--help'])
    expect(status).toBe(0)
    expect(stderr).toContain(JSON.stringify(['x', '--json', '--store', 'y', '--help']))
    expect(readdirSync(join(home, 'state/onefold')).filter((name) => name.endsWith('.db'))).toHaveLength(1)
  })
})

describe('what a command prints', () => {
  it('rewrites no terminal, as text or as data', () => {
    const tenant = 'acme\u009b2J\u202eevil'
    const ledger = ledgerAt(join(home, 'tenants.db'))
    const { stdout } = onefold([...stats, '--store', `sqlite:${ledger}`, '--tenant', tenant])
    expect(stdout).not.toMatch(/[\u0080-\u009f\u202e]/)
    expect((JSON.parse(stdout) as { tenant: string }).tenant).toBe(tenant)
    const told = onefold(['ledger', 'stats', '--store', `sqlite:${ledger}`, '--tenant', tenant])
    expect(told.stdout).not.toMatch(/[\u0080-\u009f\u202e]/)
  })
})
