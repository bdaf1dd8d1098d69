import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { keyed, manual } from '../contract/index.ts'
import { createGuard, ticketOf, type Guard } from '../engine/index.ts'
import { sqliteStore } from '../store/sqlite/index.ts'
import { systemClock, systemIds, systemProcesses } from '../system/index.ts'

const bin = fileURLToPath(new URL('../../bin/onefold.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'onefold-cli-'))
const file = join(folder, 'ledger.db')
const config = join(folder, 'quarantine.yaml')
const store = ['--store', `sqlite:${file}`, '--config', config]
// Longer than any machine takes for these tests: "inside the quarantine" must not depend on how fast they run.
writeFileSync(config, 'timing: { quarantine: 1h }\n')

interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The command as a user types it, in an empty folder with an empty state directory. */
function onefold(args: readonly string[], cwd = folder): Ran {
  const { NODE_OPTIONS: _options, ...env } = process.env
  return spawnSync(process.execPath, [bin, ...args], {
    cwd,
    encoding: 'utf8',
    timeout: 20_000,
    input: '',
    env: { ...env, NO_COLOR: '1', XDG_STATE_HOME: join(folder, 'state'), HOME: folder },
  })
}

const json = (args: readonly string[]): never => JSON.parse(onefold([...args, '--json', ...store]).stdout) as never

function openGuard(settings = {}): Guard {
  return createGuard({
    store: sqliteStore(file),
    clock: systemClock(),
    ids: systemIds(),
    processes: systemProcesses(),
    settings,
  })
}

let doubt = ''
let settled = ''
let foreign = ''

beforeAll(async () => {
  const guard = openGuard()
  let lost = 1
  const refund = guard.tool({
    name: 'refund',
    input: z.object({ id: z.string() }),
    effect: 'write',
    identity: ['id'],
    recovery: keyed('24h'),
    execute: (_input, context) => {
      context.checkpoint()
      if (lost-- > 0) throw new Error('the answer was lost')
      return 'refunded'
    },
  })
  const mail = guard.tool({
    name: 'mail',
    input: z.object({ to: z.string(), body: z.string() }),
    effect: 'write',
    identity: ['to'],
    recovery: manual(),
    execute: () => {
      throw new Error('the answer was lost')
    },
  })
  settled = (await refund.perform({ id: 'r1' })).key
  const letter = { to: 'a@example.com', body: 'secret words' }
  doubt = (await mail.perform(letter, { onDoubt: 'return' })).key
  foreign = await guard.run({ id: 'run-1', tenant: 'acme' }, async () => {
    const outcome = await mail.perform(letter, { onDoubt: 'return' })
    return outcome.key
  })
  await guard.close()
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('wrong use exits 2 and says what was meant', () => {
  it.each([
    [['ledgre'], 'ledger'],
    [['ledger', 'lst'], 'list'],
    [['ledger', 'list', '--in-dout'], '--in-doubt'],
    [['doctor', '--jsn'], '--json'],
    [['mcp', '--confg', 'x', '--', 'node'], '--config'],
    [['demo', 'lost-answer'], 'lost-answers'],
    [['ledger', 'list', '--limit', 'many'], 'whole number'],
    [['ledger', 'list', '--state', 'doubtful', ...store], 'in-doubt'],
    [['ledger', 'list', '--in-doubt', '--open', ...store], 'one of'],
    [['ledger', 'list', '--tenant', 'a', '--all-tenants'], 'cannot be used with'],
    [['ledger', 'resolve', 'abc', ...store], '--not-done'],
    [['ledger', 'resolve', 'abc', '--done', '--abandon', ...store], '--not-done'],
    [['ledger', 'resolve', 'abc', '--abandon', '--value', '1', ...store], '--done'],
    [['ledger', 'resolve', 'abc', '--done', '--value', '{', ...store], 'not JSON'],
    [['ledger', 'show', 'nowhere', ...store], 'KEY_INVALID'],
    [['ledger', 'show', '', ...store], 'An empty text names no operation'],
    [['ledger', 'show'], 'missing required argument'],
    [['mcp'], 'Nothing says which MCP server to protect'],
  ])('onefold %j', (args, says) => {
    const { status, stdout, stderr } = onefold(args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain(says)
  })

  it('prints help on standard error when no command is given', () => {
    const { status, stdout, stderr } = onefold([])
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain('Usage: onefold')
  })
})

it('tells its version', () => {
  expect(onefold(['--version'])).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
})

describe('a ledger that is not there', () => {
  it('exits 3, and looking creates nothing', () => {
    const empty = mkdtempSync(join(folder, 'empty-'))
    for (const command of [
      ['ledger', 'list'],
      ['ledger', 'show', 'x'],
      ['ledger', 'stats'],
      ['ledger', 'export'],
      ['ledger', 'resolve', 'x', '--abandon', '--note', 'n', '--yes'],
    ]) {
      const { status, stderr } = onefold([...command, '--store', `sqlite:${join(empty, 'sub/none.db')}`])
      expect({ status, stderr }).toMatchObject({ status: 3, stderr: expect.stringContaining('STORE_UNAVAILABLE') })
      expect(stderr).toContain('none.db')
      expect(onefold(command, empty)).toMatchObject({ status: 3, stderr: expect.stringContaining('STORE_UNAVAILABLE') })
    }
    expect(readdirSync(empty)).toEqual([])
    expect(existsSync(join(folder, 'state'))).toBe(false)
  })

  it('exits 3 for a file that is no ledger, which stays as it is', () => {
    const odd = join(folder, 'odd.db')
    writeFileSync(odd, 'this is a shopping list, and not a database at all')
    const { status, stderr } = onefold(['ledger', 'list', '--store', `sqlite:${odd}`])
    expect({ status, stderr }).toMatchObject({ status: 3, stderr: expect.stringContaining('STORE_UNSAFE') })
    expect(stderr).not.toMatch(/\n\s+at /)
  })

  it('exits 3 when another process holds the ledger locked and something is to be written', () => {
    const { DatabaseSync } = process.getBuiltinModule('node:sqlite')
    const holder = new DatabaseSync(file)
    holder.exec('BEGIN IMMEDIATE')
    const word = ['--abandon', '--note', 'nobody can know', '--yes']
    const { status, stderr } = onefold(['ledger', 'resolve', doubt, ...word, ...store])
    holder.close()
    expect({ status, stderr }).toMatchObject({ status: 3, stderr: expect.stringMatching(/STORE_UNAVAILABLE .*locked/) })
  })

  it('tells errors as data with --json', () => {
    const { status, stdout } = onefold(['ledger', 'stats', '--json', '--store', `sqlite:${join(folder, 'none.db')}`])
    expect(status).toBe(3)
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'STORE_UNAVAILABLE', effect: 'none' } })
  })
})

describe('ledger list', () => {
  it('shows operations of one tenant, and that others have doubts', () => {
    const { status, stdout } = onefold(['ledger', 'list', ...store])
    expect(status).toBe(0)
    expect(stdout).toContain(ticketOf(doubt))
    expect(stdout).toContain(ticketOf(settled))
    expect(stdout).not.toContain(ticketOf(foreign))
    expect(stdout).toContain('1 more in doubt in other tenants: --all-tenants')
  })

  it('answers data with --json, without arguments and answers', () => {
    const { records } = json(['ledger', 'list', '--in-doubt', '--all-tenants']) as {
      records: Record<string, unknown>[]
    }
    expect(records.map(({ tenant }) => tenant)).toEqual(expect.arrayContaining(['default', 'acme']))
    expect(records[0]).toMatchObject({
      state: 'in-doubt',
      tool: 'mail',
      needsPerson: true,
      input: { to: '…', body: '…' },
    })
    expect(JSON.stringify(records)).not.toContain('secret words')
  })

  it.each([
    [['--tool', 'refund'], 1],
    [['--tool', 'nothing'], 0],
    [['--run', 'run-1', '--tenant', 'acme'], 1],
    [['--state', 'committed'], 1],
    [['--open', '--all-tenants'], 2],
    [['--all-tenants', '--limit', '1'], 1],
  ])('filters by %j', (filter, count) => {
    expect((json(['ledger', 'list', ...filter]) as { records: unknown[] }).records).toHaveLength(count)
  })

  it('says that there is more where there is, and not where a full page is all there is', () => {
    const page = (limit: number): { records: unknown[]; more: boolean } =>
      json(['ledger', 'list', '--all-tenants', '--limit', String(limit)]) as { records: unknown[]; more: boolean }
    const all = page(200_000).records.length
    expect(page(all)).toMatchObject({ more: false, records: { length: all } })
    expect(page(all - 1)).toMatchObject({ more: true, records: { length: all - 1 } })
    const { stdout } = onefold(['ledger', 'list', '--all-tenants', '--limit', String(all), ...store])
    expect(stdout).not.toContain('There are more')
  })
})

describe('ledger show', () => {
  it('prints the timeline of an operation that settled itself', () => {
    const { status, stdout } = onefold(['ledger', 'show', ticketOf(settled), ...store])
    expect(status).toBe(0)
    const steps = [...stdout.matchAll(/^ +\+\S+ \S+ {2}(\S+)/gm)].map(([, step]) => step)
    expect(steps).toEqual(["T1'", 'T8', '·', 'T10', 'T13', 'T5'])
    expect(stdout).toContain('sent again under the same downstream key')
    expect(stdout).not.toContain('next')
  })

  it('says of a doubt who settles it and what to type; arguments only when asked for', () => {
    const shown = onefold(['ledger', 'show', doubt, ...store]).stdout
    expect(shown).toContain('a person: look whether it happened')
    expect(shown).toMatch(/onefold ledger resolve \S+ --done --note/)
    expect(shown).toMatch(/possible in \d+ (s|min)/)
    expect(shown).not.toContain('secret words')
    expect(onefold(['ledger', 'show', doubt, '--show-input', ...store]).stdout).toContain('secret words')
  })

  it('finds operations of every tenant by ticket, within one with --tenant', () => {
    expect(onefold(['ledger', 'show', foreign, ...store]).stdout).toContain('tenant acme')
    expect(onefold(['ledger', 'show', foreign, '--tenant', 'default', ...store]).status).toBe(2)
  })

  it('answers data with --json', () => {
    const shown = json(['ledger', 'show', doubt]) as { history: { transition: string }[]; next: { command: string }[] }
    expect(shown.history.map(({ transition }) => transition)).toEqual(["T1'", 'T8'])
    expect(shown.next[0]?.command).toContain('onefold ledger resolve')
  })

  it('takes a ticket that begins with a hyphen for a ticket', () => {
    expect(onefold(['ledger', 'show', '-bcdefghijkl', ...store]).stderr).toContain('KEY_INVALID')
    expect(onefold(['ledger', 'show', '--show-inputs', ...store]).stderr).toContain("unknown option '--show-inputs'")
  })
})

describe('ledger resolve', () => {
  it('refuses without a terminal and --yes, and without a note', () => {
    const bare = onefold(['ledger', 'resolve', doubt, '--done', '--note', 'seen', ...store])
    expect(bare).toMatchObject({ status: 2, stderr: expect.stringContaining('--yes') })
    const silent = onefold(['ledger', 'resolve', doubt, '--done', '--yes', ...store])
    expect(silent).toMatchObject({ status: 2, stderr: expect.stringContaining('--note') })
    expect((json(['ledger', 'show', doubt]) as { state: string }).state).toBe('in-doubt')
  })

  it('refuses "not done" inside the quarantine, exit 1', () => {
    const early = onefold(['ledger', 'resolve', doubt, '--not-done', '--note', 'n', '--yes', ...store])
    expect(early).toMatchObject({ status: 1, stderr: expect.stringMatching(/HELD .*could still land/) })
  })

  it('records a person’s word with name and note, and repeats get the value', async () => {
    const word = ['--done', '--note', 'seen in the inbox', '--by', 'dana', '--value', '{"sent":true}', '--yes']
    expect(onefold(['ledger', 'resolve', ticketOf(doubt), ...word, ...store])).toMatchObject({ status: 0 })
    const shown = onefold(['ledger', 'show', doubt, ...store]).stdout
    expect(shown).toContain('dana: seen in the inbox')
    expect(shown).toMatch(/T16 +settled by a person: it happened/)
    const again = onefold(['ledger', 'resolve', doubt, '--abandon', '--note', 'n', '--yes', ...store])
    expect(again).toMatchObject({ status: 1, stderr: expect.stringContaining('not in doubt') })
    const guard = openGuard()
    const mail = guard.tool({
      name: 'mail',
      input: z.object({ to: z.string(), body: z.string() }),
      effect: 'write',
      identity: ['to'],
      recovery: manual(),
      execute: () => ({ sent: false }),
    })
    expect(await mail({ to: 'a@example.com', body: 'secret words' })).toEqual({ sent: true })
    await guard.close()
  })

  it('abandons across tenants, under the name of this session’s user', () => {
    const word = ['--abandon', '--note', 'nobody can know', '--yes', '--json']
    const { status, stdout } = onefold(['ledger', 'resolve', foreign, ...word, ...store])
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      state: 'abandoned',
      tenant: 'acme',
      closedBy: { who: expect.stringMatching(/./), note: 'nobody can know' },
    })
  })
})

describe('ledger lift', () => {
  it('wants a person, and says when no mark stands', () => {
    expect(onefold(['ledger', 'lift', ...store])).toMatchObject({ status: 2, stderr: expect.stringContaining('--yes') })
    const none = onefold(['ledger', 'lift', '--yes', ...store])
    expect(none).toMatchObject({ status: 1, stderr: expect.stringContaining('No amnesia mark') })
  })

  it('lifts the mark of a ledger that lost records, as ledger lost set it', async () => {
    const at = ['--store', `sqlite:${join(folder, 'lost.db')}`]
    const ledger = sqliteStore(join(folder, 'lost.db'))
    await ledger.open()
    await ledger.close()
    for (const lacking of [['--yes'], ['--note', 'restored']])
      expect(onefold(['ledger', 'lost', ...lacking, ...at])).toMatchObject({ status: 2 })
    const lost = onefold(['ledger', 'lost', '--yes', '--note', 'restored from a copy', ...at])
    expect(lost).toMatchObject({ status: 0, stdout: expect.stringContaining('is a doubt until') })
    expect(onefold(['doctor', ...at]).stdout).toContain('restored from a copy')
    const lifted = onefold(['ledger', 'lift', '--yes', '--json', ...at])
    expect(JSON.parse(lifted.stdout)).toMatchObject({ lifted: { why: 'restored from a copy' } })
    expect(onefold(['ledger', 'lift', '--yes', ...at]).status).toBe(1)
  })
})

describe('ledger stats, export', () => {
  it('counts', () => {
    expect(json(['ledger', 'stats', '--all-tenants'])).toMatchObject({
      total: 3,
      states: { committed: 2, abandoned: 1 },
    })
    expect(onefold(['ledger', 'stats', ...store]).stdout).toMatch(/^committed +2$/m)
  })

  it('exports every operation with its history as lines', () => {
    const { status, stdout } = onefold(['ledger', 'export', '--all-tenants', ...store])
    expect(status).toBe(0)
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { history: unknown[] })
    expect(lines).toHaveLength(3)
    expect(lines.every(({ history }) => history.length > 1)).toBe(true)
    expect(stdout).not.toContain('secret words')
  })

  it('exports and shows an answer that is too large for its record, when asked to', async () => {
    const guard = openGuard()
    await guard.once('large', () => ({ text: 'large '.repeat(20_000) }))
    await guard.close()
    const [once] = (json(['ledger', 'list', '--tool', 'once']) as { records: { ticket: string }[] }).records
    const exported = (...flags: readonly string[]): string =>
      onefold(['ledger', 'export', '--tool', 'once', ...flags, ...store]).stdout
    expect([exported('--show-input').includes('large large'), exported().includes('large large')]).toEqual([
      true,
      false,
    ])
    expect(json(['ledger', 'show', `of1_${once?.ticket}`, '--show-input'])).toMatchObject({
      outcome: { text: expect.stringContaining('large large') },
    })
  })

  it('ends silently when its reader goes away', () => {
    const { status, stderr } = spawnSync(
      'bash',
      ['-c', `set -o pipefail; "$0" "$1" ledger export ${store.join(' ')} | true`, process.execPath, bin],
      {
        encoding: 'utf8',
      },
    )
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })
})

describe('doctor', () => {
  it('is content with a sound ledger without doubts', () => {
    const { status, stdout } = onefold(['doctor', ...store])
    expect(stdout).toContain('All is well.')
    expect(status).toBe(0)
  })

  it('exits 1 with a fix for a ledger that is missing or damaged', () => {
    for (const name of ['none.db', 'odd.db']) {
      const { status, stdout } = onefold(['doctor', '--json', '--store', `sqlite:${join(folder, name)}`])
      expect(status).toBe(1)
      const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: { ok: boolean; fix?: string }[] }
      expect(ok).toBe(false)
      expect(findings.filter((finding) => !finding.ok).every(({ fix }) => fix !== undefined)).toBe(true)
    }
    expect(existsSync(join(folder, 'none.db'))).toBe(false)
  })
})
