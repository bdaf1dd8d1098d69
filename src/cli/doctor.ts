import { isOnefoldError } from '../error/index.ts'
import type { Finding, Ledger } from '../engine/index.ts'
import { span } from './ago.ts'
import { EXIT } from './exit-code.ts'
import { locate, missingLedger, type WhereOptions } from './ledger/locate.ts'
import { guardOn } from './ledger/open.ts'
import { needsPerson } from './ledger/words.ts'
import { colors, plain, print, printJson } from './output.ts'

export interface DoctorOptions extends WhereOptions {
  readonly json?: boolean
  readonly retries?: boolean
  readonly layer?: readonly string[]
}

/** `onefold doctor`: one line a check; exit 1 and a fix where something is not well. */
export async function doctor(options: DoctorOptions): Promise<number> {
  const findings =
    options.retries === true
      ? (await import('./doctor-retries.ts')).inheritedRetries(process.cwd(), options.layer ?? [])
      : [nodeVersion(), wallClock(), ...(await about(options))]
  const ok = findings.every((finding) => finding.ok)
  if (options.json === true) {
    printJson({ ok, findings })
    return ok ? EXIT.ok : EXIT.findings
  }
  const width = Math.max(...findings.map(({ check }) => check.length))
  for (const { ok: well, check, found, fix, unsafe } of findings) {
    const mark = well ? colors.green('ok  ') : unsafe === true ? colors.red('STOP') : colors.yellow('look')
    print(`${mark}  ${plain(check).padEnd(width)}  ${plain(found)}`)
    if (fix !== undefined) print(`${' '.repeat(8 + width)}${colors.bold('fix:')} ${plain(fix)}`)
  }
  const bad = findings.filter((finding) => !finding.ok).length
  print(bad === 0 ? '\nAll is well.' : `\n${bad} of ${findings.length} want a look.`)
  return ok ? EXIT.ok : EXIT.findings
}

function nodeVersion(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const ok = major > 22 || (major === 22 && minor >= 18)
  const found = `${process.versions.node}, SQLite ${process.versions['sqlite'] ?? 'missing'}`
  return ok ? { check: 'node', ok, found } : { check: 'node', ok, found, fix: 'install Node 22.18 or later' }
}

/** A wall clock before this library was written is not set. */
const EARLIEST_MS = Date.UTC(2025, 0, 1)

function wallClock(): Finding {
  const found = new Date().toISOString()
  if (Date.now() >= EARLIEST_MS) return { check: 'wall clock', ok: true, found }
  return {
    check: 'wall clock',
    ok: false,
    found,
    fix: 'set the clock (NTP): windows of provider keys are measured by it',
  }
}

/** Configuration and ledger; what cannot be opened is a finding, not a failure of the doctor. */
async function about(options: DoctorOptions): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  try {
    const where = locate(options)
    findings.push({ check: 'configuration', ok: true, found: where.config ?? 'no onefold.yaml; defaults' })
    const missing = missingLedger(where)
    if (missing !== undefined) {
      const fix = { fix: 'nothing if no effect was ever recorded there; otherwise find out who removed it' }
      return [...findings, { check: 'ledger', ok: !where.named, found: missing, ...(where.named ? fix : {}) }]
    }
    findings.push({ check: 'ledger', ok: true, found: where.url })
    const guard = await guardOn(where)
    try {
      await guard.internals.tick()
      findings.push(...(await guard.internals.operators.doctor()), await doubts(guard.internals.operators, where.flags))
    } finally {
      await guard.close()
    }
  } catch (error) {
    findings.push(failed(error))
  }
  return findings
}

function failed(error: unknown): Finding {
  if (!isOnefoldError(error)) throw error
  const check = error.code === 'CONFIG_INVALID' ? 'configuration' : 'ledger'
  return {
    check,
    ok: false,
    unsafe: true,
    found: `${error.code} ${error.message}`,
    fix: check === 'configuration' ? 'mend what is named' : 'until this is mended, no protected write starts',
  }
}

const MOST = 1_000

async function doubts(ledger: Ledger, flags: string): Promise<Finding> {
  const { records, now, next } = await ledger.list({ states: ['in-doubt', 'recovering'], limit: MOST })
  const forPerson = records.filter(needsPerson)
  const since = Math.min(now, ...records.map(({ doubtAt }) => doubtAt))
  if (records.length === 0) return { check: 'doubts', ok: true, found: 'nothing is in doubt' }
  const count = next === undefined ? String(records.length) : `more than ${records.length}`
  return {
    check: 'doubts',
    ok: false,
    found: `${count} in doubt, ${forPerson.length} of them for a person; the oldest for ${span(now - since)}`,
    fix: `onefold ledger list --in-doubt --all-tenants${flags}`,
  }
}
