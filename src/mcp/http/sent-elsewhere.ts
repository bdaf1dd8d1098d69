import type { IncomingMessage } from 'node:http'
import { isRedirect } from '../../http/edge/index.ts'
import { problemAnswer, type Answer } from '../../http/exchange/index.ts'

/**
 * What a client is told in place of a redirect of the endpoint (`/mcp` to `/mcp/` is a common one): clients follow it by
 * themselves, to where no ledger is. Undefined for every other answer.
 */
export function sentElsewhere({ statusCode = 502, headers }: IncomingMessage, url: URL): Answer | undefined {
  const { location } = headers
  if (location === undefined || !isRedirect(statusCode)) return undefined
  const to = URL.canParse(location, url.href) ? new URL(location, url).href : location
  const wasRun = statusCode < 307
  return problemAnswer('ietf', {
    problem: 'UPSTREAM_DOWN',
    status: 502,
    effect: wasRun ? 'unknown' : 'none',
    detail: `The MCP server sends its clients on to ${to}, which would be past the ledger. Start the proxy with --upstream ${to}.`,
  })
}
