import type { ProbeContext } from '../../contract/index.ts'
import { callMessage, type PlacedKey } from './call-message.ts'
import type { RequestAbout, Upstream, UpstreamAnswer } from './upstream.ts'

/** A call of a tool that nobody's client has sent: a probe, or frozen arguments again. */
export interface OwnCall {
  readonly tool: string
  readonly argumentsJson: string
  readonly placed?: PlacedKey | undefined
  /** What it is about: where a proxy has many callers, it goes out as the one whose operation that is. */
  readonly operation: Pick<ProbeContext, 'key' | 'run'>
}

/** How the proxy itself calls tools of the server. */
export interface OwnCalls {
  /** @throws NotSent or UnsentError when no byte left, UpstreamDied, HttpRefused, what `beforeByte` throws */
  call(given: OwnCall, beforeByte: () => void, about: RequestAbout): Promise<UpstreamAnswer>
  /** True while a request of this operation has left and is not answered: the server may still act. */
  isWorkingOn(operation: string): boolean
}

/** Over a pipe: lines under ids of the proxy's own. `envelope` is what every request of MCP 2026-07-28 carries. */
export const callsOver = (
  upstream: Pick<Upstream, 'request' | 'isWorkingOn'>,
  envelope: () => string | undefined,
): OwnCalls => ({
  call: ({ tool, argumentsJson, placed }, beforeByte, about) =>
    upstream.request((id) => callMessage(id, tool, argumentsJson, placed, envelope()), beforeByte, about),
  isWorkingOn: upstream.isWorkingOn,
})
