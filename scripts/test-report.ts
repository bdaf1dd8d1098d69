import { existsSync, readFileSync } from 'node:fs'
import { relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Executed } from './requirements-gate.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Where `npm test` leaves vitest's JSON report. */
export const REPORT = fileURLToPath(new URL('../node_modules/.cache/onefold/tests.json', import.meta.url))

/** A run of the tests, without those that were skipped. */
export interface TestRun {
  readonly startedAt: Date
  readonly executed: readonly Executed[]
  /** Files that broke before their tests could run. */
  readonly broken: readonly string[]
}

/** vitest's JSON report, as far as it is read here. */
interface Report {
  readonly startTime: number
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[]
  }[]
}

/** @returns undefined where there is no report */
export function readTestRun(path: string = REPORT): TestRun | undefined {
  if (!existsSync(path)) return undefined
  const report = JSON.parse(readFileSync(path, 'utf8')) as Report
  const fileOf = (name: string): string => relative(root, name).split(sep).join('/')
  return {
    startedAt: new Date(report.startTime),
    executed: report.testResults.flatMap(({ name, assertionResults }) =>
      assertionResults
        .filter(({ status }) => status === 'passed' || status === 'failed')
        .map(({ fullName, status }) => ({ file: fileOf(name), title: fullName, passed: status === 'passed' })),
    ),
    broken: report.testResults
      .filter(
        ({ status, assertionResults }) =>
          status === 'failed' && !assertionResults.some((one) => one.status === 'failed'),
      )
      .map(({ name }) => fileOf(name)),
  }
}

// `node scripts/test-report.ts [REPORT [STATUS]]`: the last line of CI. A STATUS other than 0 is a failure beside the tests.
if (import.meta.main) {
  const run = readTestRun(process.argv[2])
  const passed = run?.executed.filter((test) => test.passed).length ?? 0
  const failed = (run?.executed.length ?? 0) - passed + (run?.broken.length ?? 0)
  const beside = failed === 0 && (run === undefined || (process.argv[3] ?? '0') !== '0') ? 1 : 0
  console.log(`${passed} passed, ${failed + beside} failed`)
  process.exitCode = failed + beside > 0 ? 1 : 0
}
