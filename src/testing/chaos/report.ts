import { MEANING, showFaults, type PlannedFault } from './faults.ts'
import { sideBySide } from './side-by-side.ts'

/** A run that ended elsewhere than the undisturbed one. */
export interface ChaosFailure {
  /** The fewest faults that still show it. */
  readonly faults: readonly PlannedFault[]
  /** What it was found with. */
  readonly foundWith: readonly PlannedFault[]
  readonly expected: unknown
  readonly actual: unknown
  /** What was left in doubt, and why no execution succeeded, where that was so. */
  readonly notes: readonly string[]
}

/** What `chaos` found. */
export interface ChaosReport {
  readonly ok: boolean
  readonly seed: number
  /** Disturbed runs. */
  readonly runs: number
  /** Faults that really struck, over all runs. */
  readonly struck: number
  /** Single faults that never struck, since their place was not reached again: they were not tried. */
  readonly missed: readonly PlannedFault[]
  readonly sites: readonly string[]
  readonly baseline: unknown
  readonly failures: readonly ChaosFailure[]
  /** Every disturbed run, for machines. */
  readonly cases: readonly ChaosCase[]
}

export interface ChaosCase {
  readonly faults: readonly PlannedFault[]
  readonly ok: boolean
  /** How many of the faults were met: a retry that never came cannot be disturbed. */
  readonly struck: number
  readonly executions: number
  readonly processes: number
  readonly ms: number
}

/** The report for people: what failed, smallest first, with both end states. */
export function showReport(report: ChaosReport): string {
  const { failures, missed, runs, struck, sites } = report
  const untried = missed.length === 0 ? '' : `\n${notTried(missed)}`
  const head = `chaos: ${runs} disturbed runs over ${sites.length} places, ${struck} faults struck, seed ${report.seed}${untried}`
  if (report.ok) return `${head}\nEvery run ended in the state of the undisturbed one.`
  const shown = distinct(failures)
  return [
    head,
    `${failures.length} did not end as the undisturbed one${shown.length < failures.length ? `; ${shown.length} are distinct` : ''}:`,
    ...shown.map((failure, at) => `\n${at + 1}. ${showFailure(failure, report.seed)}`),
  ].join('\n')
}

const MOST_NAMED = 5

function notTried(missed: readonly PlannedFault[]): string {
  const more = missed.length > MOST_NAMED ? `, and ${missed.length - MOST_NAMED} more` : ''
  const named = missed.slice(0, MOST_NAMED).map((one) => showFaults([one]))
  const count = missed.length === 1 ? '1 fault was' : `${missed.length} faults were`
  return `${count} not tried, as their place was not reached again: ${named.join(', ')}${more}`
}

/** One failure: the seed, the faults, what they are, and the two states side by side. */
export function showFailure(failure: ChaosFailure, seed: number): string {
  const lines = [`seed ${seed} · ${showFaults(failure.faults)}`]
  for (const { fault } of failure.faults) lines.push(`   ${fault}: ${MEANING[fault]}`)
  for (const note of failure.notes) lines.push(`   ${note}`)
  if (failure.foundWith.length > failure.faults.length) lines.push(`   found with: ${showFaults(failure.foundWith)}`)
  lines.push(sideBySide(['undisturbed', 'with the fault'], failure.expected, failure.actual))
  return lines.join('\n')
}

/** Failures of different faults first; random combinations mostly shrink to what a single fault has shown already. */
export function distinct(failures: readonly ChaosFailure[]): readonly ChaosFailure[] {
  const seen = new Set<string>()
  return failures
    .filter(({ faults }) => {
      const text = showFaults(faults)
      return seen.has(text) ? false : seen.add(text) !== undefined
    })
    .toSorted((a, b) => a.faults.length - b.faults.length)
}

/** JUnit XML of the disturbed runs, for build servers. */
export function junit(name: string, report: ChaosReport): string {
  const failed = new Map(report.failures.map((failure) => [showFaults(failure.foundWith), failure]))
  const cases = report.cases.map(({ faults, ok, ms }): JunitCase => {
    const failure = ok ? undefined : failed.get(showFaults(faults))
    return {
      name: showFaults(faults),
      seconds: ms / 1000,
      failure: failure === undefined ? undefined : showFailure(failure, report.seed),
    }
  })
  return junitOf(name, cases)
}

/** One case of a JUnit report. */
export interface JunitCase {
  readonly name: string
  readonly seconds: number
  /** What went wrong; undefined when nothing did. */
  readonly failure: string | undefined
}

/** JUnit XML of any cases. */
export function junitOf(suite: string, cases: readonly JunitCase[]): string {
  const lines = cases.map(({ name, seconds, failure }) => {
    const open = `  <testcase classname="${escaped(suite)}" name="${escaped(name)}" time="${seconds.toFixed(3)}"`
    if (failure === undefined) return `${open}/>`
    return `${open}>\n    <failure message="it did not end as the undisturbed one">${escaped(failure)}</failure>\n  </testcase>`
  })
  const failures = cases.filter(({ failure }) => failure !== undefined).length
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuite name="${escaped(suite)}" tests="${cases.length}" failures="${failures}">`,
    ...lines,
    '</testsuite>',
    '',
  ].join('\n')
}

/** Text for XML 1.0: its five entities, and no control characters, which it cannot hold. */
const escaped = (text: string): string =>
  text
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    .replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
