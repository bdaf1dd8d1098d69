import type { Guard } from './guard-types.ts'

/**
 * Tells people what they may have to act on, a line each: names and tickets only, never arguments or results. What it
 * returns ends it.
 * @param flags what names this ledger behind a command to type: empty, or with a space before it
 */
export function tellOperators(guard: Guard, tell: (message: string) => void, flags = ''): () => void {
  const listeners = [
    guard.on('doubt', ({ tool, ticket, reason }) =>
      tell(`${tool} is in doubt (${reason}); onefold ledger show ${ticket}${flags}`),
    ),
    guard.on('alarm', ({ tool, message }) => tell(`alarm${tool === '' ? '' : ` for ${tool}`}: ${message}`)),
    guard.on('suspected-repeat', ({ tool, occurrence }) =>
      tell(
        `${tool} was called again with equal arguments after its answer had arrived (occurrence ${occurrence}); declare it to decide what that means`,
      ),
    ),
    guard.on('spooled', ({ tool }) => tell(`the ledger did not take an answer of ${tool}; it is kept in the spool`)),
    guard.on('store', ({ available, message }) =>
      tell(available ? `the ledger answers again` : `the ledger does not answer: ${message}`),
    ),
  ]
  return () => {
    for (const stop of listeners) stop()
  }
}
