import type { Guard } from '../engine/index.ts'

/** Tells people what they may have to act on. Names and tickets only, never arguments or results. Returns what ends it. */
export function tellOperators(guard: Guard, tell: (message: string) => void): () => void {
  const stops = [
    guard.on('doubt', ({ tool, ticket, reason }) =>
      tell(`${tool} is in doubt (${reason}); onefold ledger show ${ticket}`),
    ),
    guard.on('alarm', ({ tool, message }) => tell(`alarm${tool === '' ? '' : ` for ${tool}`}: ${message}`)),
    guard.on('suspected-repeat', ({ tool, occurrence }) =>
      tell(
        `${tool} was asked for again with equal content after its answer had arrived (occurrence ${occurrence}); declare the route to decide what that means`,
      ),
    ),
    guard.on('spooled', ({ tool }) => tell(`the ledger did not take an answer of ${tool}; it is kept in the spool`)),
    guard.on('store', ({ available, message }) =>
      tell(available ? 'the ledger answers again' : `the ledger does not answer: ${message}`),
    ),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}
