import {
  anySchema,
  defineContract,
  knownOptions,
  manual,
  type AnyToolOptions,
  type NamesOf,
  type Recovery,
  type ToolContext,
} from '../contract/index.ts'
import { ownerOf, stillKept, type Guard, type Outcome } from '../engine/index.ts'
import { isOnefoldError, OnefoldError } from '../error/index.ts'
import { keepingOf, unkeep, unkeeping, type Kept } from './kept.ts'
import { DAY_MS, type Delivery, type Scheme, type Verified } from './scheme.ts'

/** An event as its handler gets it. */
export type WebhookEvent = Delivery

export interface InboxOptions {
  /** Who sends: `stripe({ secret })` and its like, or {@link Scheme} of your own. */
  readonly from: Scheme
  /** Tells inboxes of one sender apart. @default the sender's name */
  readonly name?: string
  /** Does what the event asks for, once per event. Send through `context.fetch`, or call protected tools. */
  readonly handle: (event: WebhookEvent, context: ToolContext) => unknown
  /** What settles a handler that failed on the way. `composite()` where all its effects are protected tools. @default manual() */
  readonly recovery?: Recovery<WebhookEvent, unknown>
  /** How long an event is remembered, in milliseconds. @default 7 days; never less than twice the sender's retry horizon */
  readonly rememberMs?: number
  /** How long a delivery waits for its handler, in milliseconds. @default 8,000, or 2,500 for Slack, which waits 3 s */
  readonly waitMs?: number
  /** Largest body, in bytes. @default 1 MiB */
  readonly maxBytes?: number
  /** Wall clock, for signatures' ages. @default Date.now */
  readonly nowMs?: () => number
}

const NAMES: NamesOf<InboxOptions> = {
  from: true,
  name: true,
  handle: true,
  recovery: true,
  rememberMs: 'number',
  waitMs: 'number',
  maxBytes: 'number',
  nowMs: true,
}

/** Takes one delivery and answers the sender. */
export type Inbox = (request: Request) => Promise<Response>

const MAX_BYTES = 1024 * 1024
const WAIT_MS = 8_000
const SLACK_WAIT_MS = 2_500

/**
 * A webhook's end: verifies the signature over the raw bytes, handles each event once, answers redeliveries 200. What
 * was done is never done again because an answer failed; what is in doubt stays visible in the ledger.
 * @throws OnefoldError CONTRACT_INVALID when events would be forgotten while they may still come
 * @example
 * app.post('/stripe', (c) => inbox(c.req.raw))
 */
export function webhookInbox(guard: Guard, options: InboxOptions): Inbox {
  const { from } = knownInbox(options)
  const name = options.name ?? from.name
  const leastMs = 2 * from.retryHorizonMs
  const rememberMs = options.rememberMs ?? Math.max(7 * DAY_MS, leastMs)
  if (rememberMs < leastMs) {
    throw new OnefoldError(
      'CONTRACT_INVALID',
      `Webhook ${name} would forget events after ${rememberMs} ms, though ${from.name} may deliver them again for ${from.retryHorizonMs} ms. Remember them for at least ${leastMs}. Nothing was registered.`,
    )
  }
  const recovery = options.recovery ?? manual()
  const handle = async (input: Kept, context: ToolContext): Promise<unknown> =>
    await options.handle(await unkeep(guard, input, context), context)
  claimName(guard, name, from)
  const contract = guard.internals.register(
    defineContract({
      name: `webhook.${name}`,
      input: anySchema,
      effect: 'write',
      identity: ['id'],
      // A redelivery may be printed anew: Stripe counts in it how many deliveries are pending.
      ignore: ['body', 'type', 'printed', 'beside'],
      retention: `${rememberMs}ms`,
      retryHorizon: `${from.retryHorizonMs}ms`,
      recovery: unkeeping(guard, recovery),
      execute: handle,
    } as unknown as AnyToolOptions),
  )
  const { blobs } = guard.internals
  const maxBytes = options.maxBytes ?? MAX_BYTES
  const waitMs = options.waitMs ?? (from.name === 'slack' ? SLACK_WAIT_MS : WAIT_MS)
  const nowMs = options.nowMs ?? Date.now

  return async (request) => {
    if (request.bodyUsed)
      return told(500, { error: 'not taken: the body was read before, and the signature is over its bytes' })
    const raw = await bytesWithin(request, maxBytes).catch(() => 'cut' as const)
    if (raw === 'cut') return told(400, { error: 'the request ended before its body did' })
    if (raw === undefined) return told(413, { error: `the body is larger than ${maxBytes} bytes` })
    const verified = await verifiedBy(from, { raw, headers: request.headers, nowMs: nowMs() }).catch(
      (error: unknown) => {
        guard.internals.alarm(contract.name, `A delivery could not be verified, and was not taken: ${nameOf(error)}`)
        return undefined
      },
    )
    if (verified === undefined) return told(500, { error: 'not taken: the signature could not be checked' })
    if (verified.ok === 'answer')
      return new Response(verified.body, { status: verified.status, headers: { 'content-type': 'application/json' } })
    if (!verified.ok) return told(401, { error: `not taken: ${verified.why}` })
    const { delivery } = verified
    try {
      const run = guard.internals.runOf({ id: `webhook:${name}:${delivery.id}` })
      const patience = createPatience(waitMs)
      const { kept, large } = keepingOf(delivery)
      if (large !== undefined)
        await blobs.putBlob(guard.internals.name(contract, kept, { run }), large.sha256, large.bytes)
      const execute = async (input: unknown, context: ToolContext): Promise<unknown> => {
        if (large !== undefined) await stillKept(blobs, ownerOf(context), large)
        return await patience.within(handle(input as Kept, context))
      }
      const performed = guard.internals
        .perform(contract, kept, { run, waitMs, callId: delivery.id, execute })
        .then(taken)
      // The sender may not wait for the engine's word that a handler goes on; what that comes to is the ledger's.
      performed.catch(() => undefined)
      return await Promise.race([performed, patience.isOver])
    } catch (error) {
      if (isOnefoldError(error)) return refusedBy(error, recovery.class)
      // Not the handler's: that is in doubt. To say 2xx would lose the event.
      guard.internals.alarm(contract.name, `Event ${delivery.id} could not be taken: ${nameOf(error)}`)
      return told(500, { error: 'not taken; deliver it again' })
    }
  }
}

/**
 * An inbox without a handler would tell every sender 200, and hold each event as a doubt.
 * @throws OnefoldError CONFIG_INVALID
 */
function knownInbox(options: InboxOptions): InboxOptions {
  const { from, handle } = knownOptions('webhookInbox', options, NAMES)
  const wrong = (what: string): OnefoldError =>
    new OnefoldError('CONFIG_INVALID', `webhookInbox ${what}. Nothing was registered.`)
  // Plain JavaScript may leave out what the types demand.
  if (typeof (from as Scheme | undefined)?.verify !== 'function')
    throw wrong('takes a sender as from and was given none. Write from: stripe({ secret }), or a scheme with verify')
  if (typeof (handle as unknown) !== 'function') throw wrong('has no handle. Write handle: async (event) => …')
  return options
}

const taken = ({ status, replayed }: Outcome): Response =>
  told(200, { received: true, outcome: status === 'accepted' ? 'accepted' : replayed ? 'replayed' : 'executed' })

/** How long a sender waits for the handler that its own delivery has started. */
function createPatience(waitMs: number): {
  readonly isOver: Promise<Response>
  within<T>(handled: Promise<T>): Promise<T>
} {
  let end = (_response: Response): void => {}
  const isOver = new Promise<Response>((resolve) => (end = resolve))
  return {
    isOver,
    async within(handled) {
      const timer = setTimeout(() => end(told(503, { outcome: 'IN_PROGRESS' }, 1_000)), waitMs)
      try {
        return await handled
      } finally {
        clearTimeout(timer)
      }
    },
  }
}

/**
 * 2xx says "do not deliver again". That is right for what is done, and for a doubt that settles itself or that a person
 * sees; wrong where the event may turn out not to have been handled, with nobody left to bring it again.
 */
function refusedBy(error: OnefoldError, recovery: Recovery['class']): Response {
  const about = { outcome: error.code, ticket: error.ticket }
  switch (error.code) {
    case 'RESULT_EXPIRED':
    case 'COMPENSATED':
      return told(200, { received: true, ...about })
    case 'IN_DOUBT':
      return recovery === 'probe'
        ? told(503, about, error.retryAfterMs ?? 60_000)
        : told(200, { received: true, ...about })
    case 'REJECTED':
      return told(500, { ...about, error: 'nothing happened; deliver it again' })
    default:
      return told(503, about, error.retryAfterMs ?? 1_000)
  }
}

function told(status: number, body: object, retryAfterMs?: number): Response {
  const headers = new Headers({ 'content-type': 'application/json' })
  if (retryAfterMs !== undefined) headers.set('retry-after', String(Math.ceil(retryAfterMs / 1000)))
  return new Response(JSON.stringify(body), { status, headers })
}

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : typeof error)

/** A scheme of the user's may also throw before it promises anything. */
const verifiedBy = async (from: Scheme, delivery: Parameters<Scheme['verify']>[0]): Promise<Verified> =>
  await from.verify(delivery)

const names = new WeakMap<Guard, Map<string, string | Scheme>>()

/**
 * Two endpoints under one name would take each other's events for their own: what the one has handled, the other would
 * answer 200 and never handle. The same endpoint may be made again, as servers do that reload their modules.
 */
function claimName(guard: Guard, name: string, from: Scheme): void {
  const taken = names.get(guard) ?? new Map<string, string | Scheme>()
  names.set(guard, taken)
  const endpoint = from.endpoint ?? from
  if ((taken.get(name) ?? endpoint) !== endpoint) {
    throw new OnefoldError(
      'CONTRACT_INVALID',
      `Two webhooks with different secrets are called ${name}. An event that both get would be handled by one of them only. Give each a name of its own, such as webhookInbox(guard, { name: '${name}-orders', … }). Nothing was registered.`,
    )
  }
  taken.set(name, endpoint)
}

/** Undefined when it is larger. */
async function bytesWithin(request: Request, most: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of (request.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength
    if (size > most) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
