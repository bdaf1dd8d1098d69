import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The classes of model/onefold.pml, with what is defined for each. */
export const SPIN_MODELS: readonly { readonly name: string; readonly defines: readonly string[] }[] = [
  { name: 'manual', defines: ['MANUAL'] },
  { name: 'probe', defines: ['PROBE'] },
  { name: 'keyed', defines: ['KEYED'] },
  { name: 'idempotent', defines: ['IDEMPOTENT'] },
  { name: 'composite', defines: ['COMPOSITE'] },
  { name: 'transactional', defines: ['TRANSACTIONAL'] },
  { name: 'manual, records lost', defines: ['MANUAL', 'LOSS'] },
  { name: 'keyed, records lost', defines: ['KEYED', 'LOSS'] },
]

/** What Spin said about one model. */
export interface Spun {
  readonly errors: number
  readonly states: number
  readonly ms: number
}

const MODEL = fileURLToPath(new URL('model/onefold.pml', import.meta.url))
const runs = (command: string, flag: string): boolean =>
  spawnSync(command, [flag], { stdio: 'ignore' }).error === undefined

let present: string | undefined

/** The one line to print when Spin cannot run here; undefined when it can. */
export function spinMissing(): string | undefined {
  present ??= !runs('spin', '-V')
    ? 'spin not found: skipped (apt-get install spin)'
    : !runs('cc', '--version')
      ? 'cc not found: spin skipped'
      : ''
  return present === '' ? undefined : present
}

function must(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, [...args], { cwd, encoding: 'utf8', maxBuffer: 1 << 26 })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`)
  return stdout
}

/**
 * Verifies the Promela model exhaustively under the given definitions, in a directory of its own that is removed.
 * @throws Error when the model does not compile or the search was cut short.
 */
export function spin(defines: readonly string[]): Spun {
  const startedAt = performance.now()
  const directory = mkdtempSync(join(tmpdir(), 'onefold-spin-'))
  try {
    must('spin', ['-a', ...defines.map((define) => `-D${define}`), MODEL], directory)
    must('cc', ['-O1', '-w', '-DSAFETY', '-DCOLLAPSE', '-o', 'pan', 'pan.c'], directory)
    const out = must('./pan', ['-n', '-m1000000'], directory)
    const errors = Number(/errors: (\d+)/.exec(out)?.[1] ?? Number.NaN)
    const states = Number(/([\d.e+]+) states, stored/.exec(out)?.[1] ?? Number.NaN)
    if (Number.isNaN(errors) || Number.isNaN(states) || out.includes('max search depth too small')) {
      throw new Error(`spin did not finish:\n${out}`)
    }
    return { errors, states, ms: performance.now() - startedAt }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
