import { isOnefoldError, type ErrorCode } from '../error/index.ts'
import { isCancelled } from './exit-code.ts'
import { colors, plain, printJson } from './output.ts'

/** What to do about a code, where the message itself does not say it. */
const NEXT: Partial<Record<ErrorCode, string>> = {
  STORE_UNAVAILABLE: '`onefold doctor`, with the same --store or --config, looks closer',
  STORE_UNSAFE:
    'name another ledger with --store, or mend this one; `onefold doctor`, with the same --store or --config, looks closer',
  CONFIG_INVALID: 'mend the file or the flag that is named; --help shows the form',
  KEY_INVALID: '`onefold ledger list`, with the same --store or --config, shows what is recorded',
}

/** Prints an error as code, message and what to do: to standard error, or as JSON to standard output. */
export function tellError(error: unknown, json: boolean): void {
  if (json) {
    printJson({ error: asData(error) })
    return
  }
  if (isCancelled(error)) {
    process.stderr.write('onefold: cancelled\n')
    return
  }
  if (!isOnefoldError(error)) {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
    process.stderr.write(`${colors.red('UNEXPECTED')} ${detail}\nThis is a defect of onefold; please report it.\n`)
    return
  }
  const lines = [`${colors.red(error.code)} ${plain(error.message)}`]
  if (error.effect !== 'none') lines.push(`  effect: ${error.effect}`)
  if (error.retryAfterMs !== undefined && error.code !== 'STORE_UNAVAILABLE') {
    lines.push(`  try again in ${Math.ceil(error.retryAfterMs / 1000)} s`)
  }
  const next = NEXT[error.code]
  if (next !== undefined) lines.push(`  next: ${next}`)
  process.stderr.write(`${lines.join('\n')}\n`)
}

function asData(error: unknown): object {
  if (isCancelled(error)) return { code: 'CANCELLED', message: 'cancelled' }
  if (!isOnefoldError(error)) {
    return { code: 'UNEXPECTED', message: error instanceof Error ? error.message : String(error) }
  }
  const { code, message, effect, retryable, retryAfterMs, key, ticket, details } = error
  return { code, message, effect, retryable, retryAfterMs, key, ticket, details }
}
