import { wrongUse } from '../exit-code.ts'

/**
 * True when the command is to ask back. Decisions of a person want a terminal, or --yes from somebody who takes them on
 * himself, so that no program makes one by accident. `what` begins the error: "Settling a doubt".
 * @throws OnefoldError INPUT_INVALID, where it can neither ask nor go on
 */
export function asksBack(options: { readonly yes?: boolean; readonly json?: boolean }, what: string): boolean {
  if (options.yes === true) return false
  if (options.json !== true && process.stdin.isTTY && process.stdout.isTTY) return true
  throw wrongUse(
    `${what} is a person’s decision: run this on a terminal, where it asks back, or say --yes. Nothing was changed.`,
  )
}
