import { OnefoldError, isOnefoldError, type ErrorCode } from '../error/index.ts'

/** Exit codes of every command: docs/guides/ledger.md has them for people. */
export const EXIT = { ok: 0, findings: 1, wrongUse: 2, storeUnavailable: 3, interrupted: 130 } as const

const WRONG_USE: readonly ErrorCode[] = [
  'CONFIG_INVALID',
  'CONTRACT_INVALID',
  'INPUT_INVALID',
  'KEY_INVALID',
  'KEY_MISSING',
]

/** 3 when the ledger cannot be used, 2 when the command was wrong, 1 for everything else. */
export function exitCodeOf(error: unknown): number {
  if (!isOnefoldError(error)) return isCancelled(error) ? EXIT.interrupted : EXIT.findings
  if (error.code === 'STORE_UNAVAILABLE' || error.code === 'STORE_UNSAFE') return EXIT.storeUnavailable
  return WRONG_USE.includes(error.code) ? EXIT.wrongUse : EXIT.findings
}

/** Wrong use of a command: told with code INPUT_INVALID, exit 2. */
export const wrongUse = (message: string): OnefoldError => new OnefoldError('INPUT_INVALID', message)

/** True for what a cancelled command throws: Ctrl-C or SIGTERM, between two steps. Node has an AbortError of its own. */
export const isCancelled = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError'
