/**
 * The command line `onefold`: reads the arguments, runs one command, sets the exit code.
 * @module
 */
import { CommanderError } from 'commander'
import { EXIT, exitCodeOf, wrongUse } from './exit-code.ts'
import { createProgram } from './program.ts'
import { ticketFirst } from './ticket-first.ts'
import { tellError } from './tell-error.ts'

/** A reader that went away (`| head`) is no error of ours; a disk that is full is no defect, and must not look like success. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(process.exitCode ?? EXIT.ok)
  process.stderr.write(
    `onefold: standard output cannot be written (${error.code}); what stands there is not complete\n`,
  )
  process.exit(EXIT.wrongUse)
})

const args = ticketFirst(process.argv.slice(2))
const json = wantsJson(args)

try {
  const program = createProgram((code) => {
    process.exitCode = code
  }, json)
  await program.parseAsync(args, { from: 'user' })
} catch (error) {
  if (error instanceof CommanderError) {
    // Help and version come as "errors" with code 0; everything else that commander finds is wrong use.
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.wrongUse
    if (json && error.exitCode !== 0) tellError(wrongUse(error.message.replace(/^error: /, '')), true)
  } else {
    tellError(error, json)
    process.exitCode = exitCodeOf(error)
  }
}

/** True when this command was asked for data; what stands behind `--` is another program's. */
function wantsJson(given: readonly string[]): boolean {
  const end = given.indexOf('--')
  return (end === -1 ? given : given.slice(0, end)).includes('--json')
}
