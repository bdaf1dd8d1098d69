import { writeFileSync } from 'node:fs'
import { attemptReport, type AttemptReport } from '../downstream/index.ts'

/** The report as lines for people: requests, attempts, and who retries behind your back. */
export function reportText(report: AttemptReport): string {
  const { requests, attempts, refused, keyless, amplification, rows } = report
  const lines = [
    `onefold: ${requests} requests were wanted, ${attempts} were made (${amplification} for each)` +
      `${refused === 0 ? '' : `, ${refused} stopped before the first byte`}` +
      `${keyless === 0 ? '' : `, ${keyless} writes of tools carried no key`}`,
  ]
  for (const row of rows.filter((one) => one.attempts > one.requests || one.refused > 0 || one.keyless > 0)) {
    lines.push(
      `  ${row.tool}  ${row.client} → ${row.host}: ${row.requests} wanted, ${row.attempts} made` +
        `${row.refused === 0 ? '' : `, ${row.refused} stopped`}${row.keyless === 0 ? '' : `, ${row.keyless} without a key`}`,
    )
  }
  return `${lines.join('\n')}\n`
}

/** {@link writeReport} as a program ends: trouble with the file is told, and is not the program's, whose exit code stays. */
export function reportAtExit(to: string): void {
  try {
    writeReport(to)
  } catch (error) {
    process.stderr.write(`onefold: the report of attempts cannot be written: ${(error as Error).message}\n`)
  }
}

/** Writes the report to standard error, or as JSON to a file. */
export function writeReport(to: string, report: AttemptReport = attemptReport()): void {
  if (to === 'stderr') process.stderr.write(reportText(report))
  else writeFileSync(to, `${JSON.stringify(report, undefined, 2)}\n`)
}
