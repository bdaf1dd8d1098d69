import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Target } from '../../http/edge/index.ts'
import type { ClientMessage, ToolCall } from '../proxy/message.ts'
import type { OwnCalls } from '../proxy/own-calls.ts'
import type { Upstream } from '../proxy/upstream.ts'
import type { Relay } from './relay.ts'

/** One message of a client, and where its answer goes. */
export interface Exchange {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  /** The message as it came. */
  readonly body: Buffer
  readonly message: Exclude<ClientMessage, { kind: 'refused' }>
  /** JSON text of its id; undefined for notifications and answers. */
  readonly id: string | undefined
  readonly who: Who
  /** True in MCP 2026-07-28 and later: no session, and a stream that closes is a cancellation. */
  readonly stateless: boolean
  readonly relay: Relay
}

/** Who sent a message: what an operation needs to be asked about, or sent again, when its client is not there. */
export interface Who {
  readonly principal: string
  readonly tenant: string | undefined
  /** The query of the endpoint, with its question mark, or empty: keys of an API often stand there. */
  readonly search: string
  /** `Mcp-Session-Id`. */
  readonly session: string | undefined
}

/** The MCP server behind the front, over HTTP or as child processes. */
export interface Backend {
  /** A request, notification or answer that does not go through the ledger. */
  pass(exchange: Exchange): Promise<void>
  /** The way of one guarded call to the server. */
  send(exchange: Exchange & { readonly message: ToolCall }): Upstream['request']
  /** `GET`: the stream of what the server has to say by itself. */
  listen(incoming: IncomingMessage, outgoing: ServerResponse, who: Who): Promise<void>
  /** `DELETE`: the client ends its session. */
  end(incoming: IncomingMessage, outgoing: ServerResponse, who: Who): Promise<void>
  /** Anything beside the endpoint; `body` where it was read. */
  other(incoming: IncomingMessage, outgoing: ServerResponse, target: Target, body?: Uint8Array): Promise<void>
  readonly own: OwnCalls
  close(graceMs: number): Promise<void>
}
