import type { LogicalRequest, Taker, WireAttempt } from '../downstream/index.ts'
import { headerText, type SendPort } from '../engine/index.ts'
import { isSdkOwnKey } from '../key/index.ts'

/**
 * Puts the operation's key on a write as a header, unless the caller has set one; a key that an SDK made up for its own
 * retries is replaced. Bodies cannot be changed from here: a provider that takes its key there is left without one.
 * @returns true when the write carries a key now
 */
export function injectKey(attempt: WireAttempt, port: SendPort, taker: Taker, request: LogicalRequest): boolean {
  if (port.run !== undefined && attempt.header('onefold-run') === undefined)
    attempt.setHeader('onefold-run', headerText(port.run))
  if (port.sequenceKey !== undefined) attempt.setHeader('onefold-sequence', headerText(port.sequenceKey))
  const { carrier, paths, name } = taker
  if (carrier.in !== 'header' || (paths !== undefined && !paths.test(attempt.url.pathname))) return false
  const header = carrier.name.toLowerCase()
  const there = attempt.header(header)
  if (there !== undefined && !isSdkOwnKey(there)) return true
  return attempt.setHeader(header, port.downstreamKey(name, request.operation, request.ordinal))
}
