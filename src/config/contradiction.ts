import { anySchema, defineContract, keyed, manual, type AnyToolOptions, type Duration } from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'
import type { Reader, Value } from './reader.ts'

type DeclaredClass = { readonly class: string; readonly window?: Duration }

/**
 * Builds a contract of what a section declares, so that everything the contract room refuses (a retention below the
 * retry horizon, a field both identity and ignored) is told with file and line before anything starts.
 * @throws OnefoldError CONFIG_INVALID
 */
export function refuseContradictions(
  reader: Reader,
  value: Value,
  declared: Readonly<Record<string, unknown>>,
  recovery: DeclaredClass,
): void {
  const options = {
    ...declared,
    input: anySchema,
    recovery: recovery.class === 'keyed' && recovery.window !== undefined ? keyed(recovery.window) : manual(),
    execute: () => undefined,
  }
  try {
    const given = Object.entries(options).filter(([, option]) => option !== undefined)
    defineContract(Object.fromEntries(given) as unknown as AnyToolOptions)
  } catch (error) {
    if (!(error instanceof OnefoldError)) throw error
    const { problem, fix } = error.details as { problem?: string; fix?: string }
    reader.fail(value, `contradicts itself: ${problem ?? error.message}`, fix ?? 'Correct it')
  }
}
