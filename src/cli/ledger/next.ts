import { quarantineEnd, ticketOf, type OperationRecord } from '../../engine/index.ts'
import { span } from '../ago.ts'
import { needsPerson } from './words.ts'

/** What an operation is looked at with. */
export interface View {
  /** Store time, for "so long ago". */
  readonly now: number
  /** Appended to commands that are proposed, such as ` --store sqlite:./x.db`. */
  readonly flags: string
  /** Q of protocol.md section 9, as configured. */
  readonly quarantineMs: number
}

/** Milliseconds until a person may say "it did not happen"; 0 when that is allowed now. */
export const quarantineLeft = (record: OperationRecord, { now, quarantineMs }: View): number =>
  Math.max(0, quarantineEnd(record, quarantineMs) - now)

/** A command that a person may type next, and what it says. */
export interface NextCommand {
  readonly command: string
  readonly says: string
}

/** What to type next about an operation; nothing for one that settles itself, or is closed. */
export function nextCommands(record: OperationRecord, view: View): readonly NextCommand[] {
  if (!needsPerson(record)) return []
  const left = quarantineLeft(record, view)
  const resolve = (verdict: string): string =>
    `onefold ledger resolve ${nameOf(record)} ${verdict} --note "…"${view.flags}`
  return [
    { command: resolve('--done'), says: 'it happened' },
    { command: resolve('--not-done'), says: `it did not${left > 0 ? ` (possible in ${span(left)})` : ''}` },
    { command: resolve('--abandon'), says: 'nobody will ever know' },
  ]
}

/** The ticket as a command takes it: one that begins with a hyphen would look like a flag. */
export function nameOf({ key }: { readonly key: string }): string {
  const ticket = ticketOf(key)
  return ticket.startsWith('-') ? `of1_${ticket}` : ticket
}
