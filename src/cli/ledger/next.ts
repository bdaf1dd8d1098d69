import { DEFAULTS, ticketOf, type OperationRecord } from '../../engine/index.ts'
import { span } from '../ago.ts'
import { needsPerson } from './words.ts'

/** Milliseconds until a person may say "it did not happen" (Q of protocol.md section 9); 0 when that is allowed now. */
export const quarantineLeft = (record: OperationRecord, now: number): number =>
  Math.max(0, record.doubtAt + DEFAULTS.quarantineMs - now)

/** What to type next about an operation, with what it says. */
export function nextCommands(record: OperationRecord, now: number, flags: string): readonly string[] {
  const ticket = ticketOf(record.key)
  if (!needsPerson(record)) return []
  const left = quarantineLeft(record, now)
  const resolve = (verdict: string): string => `onefold ledger resolve ${ticket} ${verdict} --note "…"${flags}`
  return [
    `${resolve('--done')}       it happened`,
    `${resolve('--not-done')}   it did not${left > 0 ? ` (possible in ${span(left)})` : ''}`,
    `${resolve('--abandon')}    nobody will ever know`,
  ]
}
