import type { Writable } from 'node:stream'
import { createNamedSlots } from '../../engine/index.ts'
import { errorLine } from '../proxy/answers.ts'
import { idKey } from '../proxy/message-id.ts'
import type { ServerMessage } from '../proxy/message.ts'
import { startUpstream, type Upstream } from '../proxy/upstream.ts'
import { PROXY_CODES } from '../proxy/wire-errors.ts'
import { statusOfError } from './mirrors.ts'
import { oneLine, tokenIn, withId, withSubscription, withToken, subscriptionIn } from './rewriting.ts'
import type { Relay } from './relay.ts'
import { eventOf } from './sse.ts'

export interface StdioCommand {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string | undefined
  readonly stderr: Writable
}

/** What a stream belongs to, as its client names it and as the server's process knows it. */
interface Open {
  readonly relay: Relay
  /** JSON texts. */
  readonly clientToken: string | undefined
  readonly token: string | undefined
}

interface Waiting extends Open {
  readonly clientId: string
  readonly method: string
}

/** One process of a stdio server, and the streams that what it says goes to. */
export interface StdioProcess {
  readonly upstream: Upstream
  /** Undefined where streams cannot be resumed. */
  nextEventId(): string | undefined
  /** A request as its client wrote it; the answer comes through `relay`. What it returns takes the request back. */
  ask(text: string, idText: string, method: string, relay: Relay): () => void
  /** A notification, or an answer to the server. */
  tell(text: string): void
  /** A guarded call is under way, and what the server says may belong to it. `written`: its message as the server gets it. */
  accompany(text: string, relay: Relay): { written(message: string): string; ended(): void }
  /** Where what belongs to no request goes, until another one listens, or what it returns is called. */
  listen(relay: Relay): () => void
  /** True where nobody waits for it or listens to it. */
  isIdle(): boolean
}

export interface StdioProcessOptions extends StdioCommand {
  /** True where requests of many clients meet: their ids and tokens are then replaced on the way. */
  readonly shared: boolean
  readonly maxMessageBytes: number
  readonly rewrite: (method: string) => ((result: string) => string) | undefined
  readonly heard: (method: string) => void
  readonly tell: (message: string) => void
  /** Gives an event of a stream its id; undefined where streams cannot be resumed. */
  readonly eventId: (() => string) | undefined
}

/** What is kept for a client that has not opened its stream yet. */
const MOST_QUEUED = 100

export function startStdioProcess(options: StdioProcessOptions): StdioProcess {
  const { shared } = options
  const waiting = createNamedSlots<Waiting>()
  /** Guarded calls, whose answers go another way. */
  const accompanied = new Set<Open>()
  let listener: Relay | undefined
  const queued: string[] = []
  let count = 0
  const upstream = startUpstream({
    command: options.command,
    args: options.args,
    env: options.env,
    cwd: options.cwd,
    stderr: options.stderr,
    maxMessageBytes: options.maxMessageBytes,
    onLine,
    onLost: (bytes) => options.tell(`a line of ${bytes} bytes from the MCP server was dropped: it is too long`),
  })
  // Where the process cannot be started, `started` says so.
  upstream.started.catch(() => undefined)
  void upstream.exited.then(() => {
    for (const { relay, clientId } of waiting.values()) relay.line(errorLine(clientId, GONE))
    waiting.clear()
  })

  const own = (): string => `"s${(count += 1)}"`

  function event(relay: Relay, text: string): void {
    const id = options.eventId?.()
    relay.event(eventOf(text, id), id)
  }

  function onLine(bytes: Buffer, message: ServerMessage | undefined): void {
    if (message === undefined) return
    const text = bytes.toString('utf8').trimEnd()
    if (!message.asks) return answered(message, text)
    if (message.id === undefined) options.heard(message.method ?? '')
    const to = shared ? ofShared(message, text) : ofSession(message, text)
    if (to !== undefined) return event(to.relay, to.text)
    // Of a process that many clients share, what belongs to nobody goes to nobody.
    if (shared) return
    queued.push(text)
    if (queued.length > MOST_QUEUED) queued.shift()
  }

  function answered({ id, result, error }: ServerMessage, text: string): void {
    const known = id === undefined ? undefined : waiting.get(idKey(id))
    if (id === undefined || known === undefined) return
    waiting.delete(idKey(id))
    const rewrite = result === undefined ? undefined : options.rewrite(known.method)
    if (options.eventId !== undefined) known.relay.lastId(options.eventId())
    const status = shared && error !== undefined ? statusOfError(error) : 200
    if (!shared && rewrite === undefined) return known.relay.line(text, undefined, status)
    const answer = result === undefined ? `"error":${error ?? 'null'}` : `"result":${rewrite?.(result) ?? result}`
    const line = `{"jsonrpc":"2.0","id":${known.clientId},${answer}}`
    known.relay.line(shared ? withSubscription(line, id, known.clientId) : line, undefined, status)
  }

  const open = (): Open[] => [...waiting.values(), ...accompanied]

  /** Over a pipe nothing says which request a message belongs to, but for progress: the newest is the best guess. */
  function ofSession({ method, id }: ServerMessage, text: string): { relay: Relay; text: string } | undefined {
    const token = method === PROGRESS ? tokenIn(text) : undefined
    const related = id !== undefined || method === 'notifications/message'
    const found =
      token === undefined ? (related ? open().at(-1) : undefined) : open().find((one) => one.token === token)
    const relay = found?.relay ?? listener
    return relay === undefined ? undefined : { relay, text }
  }

  /** With clients side by side a guess would tell one what is another's. */
  function ofShared({ method, id }: ServerMessage, text: string): { relay: Relay; text: string } | undefined {
    if (id !== undefined) return undefined
    const subscription = subscriptionIn(text)
    if (subscription !== undefined) {
      const known = waiting.get(idKey(subscription))
      return known === undefined
        ? undefined
        : { relay: known.relay, text: withSubscription(text, subscription, known.clientId) }
    }
    const all = open()
    if (method === PROGRESS) {
      const token = tokenIn(text)
      const found = all.find((one) => one.token !== undefined && one.token === token)
      return found === undefined
        ? undefined
        : { relay: found.relay, text: withToken(text, found.clientToken as string) }
    }
    const [only, second] = all
    return only === undefined || second !== undefined ? undefined : { relay: only.relay, text }
  }

  function opened(text: string, relay: Relay): Open {
    const clientToken = tokenIn(text)
    return { relay, clientToken, token: clientToken === undefined ? undefined : shared ? own() : clientToken }
  }

  const written = (text: string, { token }: Open): string =>
    oneLine(shared && token !== undefined ? withToken(text, token) : text)

  const tell = (text: string): void => upstream.pass(Buffer.from(`${oneLine(text)}\n`))

  return {
    upstream,
    tell,
    nextEventId: () => options.eventId?.(),
    ask(text, clientId, method, relay) {
      const it = opened(text, relay)
      const id = shared ? own() : clientId
      waiting.set(idKey(id), { ...it, clientId, method })
      tell(shared ? withId(written(text, it), id) : text)
      return () => {
        if (!waiting.delete(idKey(id)) || !shared) return
        tell(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id}}}`)
      }
    },
    accompany(text, relay) {
      const it = opened(text, relay)
      accompanied.add(it)
      return { written: (message) => written(message, it), ended: () => void accompanied.delete(it) }
    },
    isIdle: () => waiting.size === 0 && accompanied.size === 0 && listener === undefined,
    listen(relay) {
      listener = relay
      for (const text of queued.splice(0)) event(relay, text)
      return () => {
        // The connection that is over may be an older one than the one that listens by now.
        if (listener === relay) listener = undefined
      }
    },
  }
}

const PROGRESS = 'notifications/progress'

const GONE = JSON.stringify({
  code: PROXY_CODES.UPSTREAM_DIED,
  message: 'The MCP server behind the proxy has ended. This request was not answered.',
  data: { type: 'UPSTREAM_DIED', effect: 'unknown', retryable: true },
})
