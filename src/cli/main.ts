/**
 * The command line `onefold`: reads the arguments, runs one command, sets the exit code.
 * @module
 */
import { CommanderError } from 'commander'
import { EXIT, exitCodeOf } from './exit-code.ts'
import { createProgram } from './program.ts'
import { ticketFirst } from './ticket-first.ts'
import { tellError } from './tell-error.ts'

/** A reader that went away (`| head`) is no error of ours. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(process.exitCode ?? EXIT.ok)
  process.stderr.write(`onefold: standard output cannot be written (${error.code}); what was written is not complete\n`)
  process.exit(EXIT.findings)
})

const args = ticketFirst(process.argv.slice(2))

try {
  const program = createProgram((code) => {
    process.exitCode = code
  })
  await program.parseAsync(args, { from: 'user' })
} catch (error) {
  if (error instanceof CommanderError) {
    // Help and version come as "errors" with code 0; everything else that commander finds is wrong use.
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.wrongUse
  } else {
    tellError(error, wantsJson(args))
    process.exitCode = exitCodeOf(error)
  }
}

/** True when this command was asked for data; what stands behind `--` is another program's. */
function wantsJson(given: readonly string[]): boolean {
  const end = given.indexOf('--')
  return (end === -1 ? given : given.slice(0, end)).includes('--json')
}
