import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { chaosFile, junit, showReport } from '../testing/index.ts'
import { EXIT, wrongUse } from './exit-code.ts'
import { print, printJson } from './output.ts'
import { liveLine } from './live-line.ts'
import { reportFile } from './report-file.ts'
import { tellError } from './tell-error.ts'

/** The flags of `onefold chaos`. */
export interface ChaosFlags {
  readonly seed?: number
  readonly combinations?: number
  readonly junit?: string
  readonly json?: boolean
}

/** `onefold chaos FILE`: every fault at every call of a workflow; exit 1 when one of them shows in the end state. */
export async function chaos(file: string, flags: ChaosFlags): Promise<number> {
  const path = resolve(file)
  if (!existsSync(path)) throw wrongUse(`There is no file ${file}. Nothing was run.`)
  const writeReport = reportFile(flags.junit)
  const line = liveLine()
  const { seed, combinations } = flags
  const giveBack = flags.json === true ? takeOutput() : () => {}
  const unfinished = (): void => {
    giveBack()
    // Without this a file that runs its application when it is loaded, and then exits with 0, looks like a pass.
    tellError(wrongUse(`${file} ended the process before there was a report: ${EXITS}`), flags.json === true)
    process.exitCode = EXIT.wrongUse
  }
  process.once('exit', unfinished)
  try {
    const report = await chaosFile(path, {
      onFailure: 'return',
      onRun: (done, total) => line.show(`${done} of ${total} disturbed runs`),
      ...(seed === undefined ? {} : { seed }),
      ...(combinations === undefined ? {} : { combinations }),
    }).finally(() => {
      process.off('exit', unfinished)
      line.clear()
      giveBack()
    })
    writeReport(() => junit(file, report))
    if (flags.json === true) printJson(report)
    else print(showReport(report))
    return report.ok ? EXIT.ok : EXIT.findings
  } finally {
    leave()
  }
}

const EXITS =
  'it calls process.exit when it is loaded, or in snapshot or reset. Export chaos from a file that starts nothing. Nothing was proven.'

/** The file's module runs in this process too: what it prints is no part of the data. */
function takeOutput(): () => void {
  const { stdout, stderr } = process
  const { write } = stdout
  stdout.write = stderr.write.bind(stderr)
  return () => void (stdout.write = write)
}

/** Long enough for what is still to be said. */
const LEAVE_MS = 500

/** The file's module may hold connections and timers open for `snapshot`, for which nobody waits any more. */
function leave(): void {
  process.stdout.write('', () => void setTimeout(() => process.exit(), LEAVE_MS).unref())
}
