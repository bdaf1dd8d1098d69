import { isSdkOwnKey } from '../key/index.ts'
import { traceOf } from './outgoing.ts'
import type { Taker } from './provider-of-host.ts'

/** A write on its way out. */
export interface Outgoing {
  readonly method: string
  readonly url: URL
  readonly headers: Headers
  /** Undefined where there is none. */
  readonly body: unknown
}

/** The keys of the operation that sends. */
export interface Keys {
  /** In the form of the named provider. */
  make(provider: string | undefined): string
  /** Whether a text holds one that the tool was given to write itself. */
  isIn(text: string): boolean
}

/** Whether the write carries a key now: ours, the tool's own, or none and why. */
export type Carried =
  | { readonly by: 'header' | 'body' | 'caller'; readonly body: unknown }
  | { readonly by: 'nobody'; readonly body: unknown; readonly why: string }

/**
 * Puts the operation's key where the provider takes it. A key that the tool wrote itself stays; one that an SDK made
 * up for its own retries does not.
 */
export function carryKey(taker: Taker, write: Outgoing, keys: Keys): Carried {
  const { carrier, name, paths } = taker
  const { headers, body, url } = write
  if (carrier.in === 'nowhere') return { by: 'nobody', body, why: whyNot(taker) }
  if (paths !== undefined && !paths.test(url.pathname)) {
    return { by: 'nobody', body, why: `${name ?? url.host} takes no key at ${url.pathname}` }
  }
  switch (carrier.in) {
    case 'header': {
      const there = headers.get(carrier.name)
      if (there !== null && !isSdkOwnKey(there)) return { by: 'caller', body }
      headers.set(carrier.name, keys.make(name))
      return { by: 'header', body }
    }
    case 'body': {
      const filled = fillField(body, carrier.field.split('.'), () => keys.make(name))
      if (filled === 'there') return { by: 'caller', body }
      if (filled === undefined) {
        return {
          by: 'nobody',
          body,
          why: `${name ?? url.host} takes it as ${carrier.field} of a JSON object in a string`,
        }
      }
      headers.delete('content-length')
      return { by: 'body', body: filled.body }
    }
    case 'tool': {
      // Only ours counts: SDKs fill the field with a random one, new at every call, which would look the same.
      if (keys.isIn(textOf(body)) || keys.isIn(url.search)) return { by: 'caller', body }
      return {
        by: 'nobody',
        body,
        why: `${name ?? url.host} takes it as ${carrier.what}, which the tool has to write: ctx.downstreamKey('${name ?? ''}')`,
      }
    }
  }
}

/** What of a body can be read for keys. */
export function textOf(body: unknown): string {
  const trace = traceOf(body)
  if (typeof trace === 'string') return trace
  return trace instanceof Uint8Array ? Buffer.from(trace).toString('latin1') : ''
}

const whyNot = ({ name, instead }: Taker): string =>
  `${name ?? 'this host'} takes no idempotency key; ${instead ?? 'use probe() or manual()'}`

/** Adds a field to a JSON object without writing the rest of it anew, which would change its numbers. */
function fillField(
  body: unknown,
  path: readonly string[],
  value: () => string,
): 'there' | { readonly body: string } | undefined {
  if (typeof body !== 'string') return undefined
  const start = /^\s*\{/.exec(body)?.[0]
  if (start === undefined) return undefined
  let parsed: unknown
  try {
    parsed = JSON.parse(body)
  } catch {
    return undefined
  }
  const [first = '', second] = path
  const top = parsed as Record<string, unknown>
  const inner = top[first]
  if (second === undefined) {
    if (inner !== undefined) return 'there'
    return { body: prepend(body, start, first, JSON.stringify(value()), Object.keys(top).length === 0) }
  }
  if (inner === undefined) {
    const nested = JSON.stringify({ [second]: value() })
    return { body: prepend(body, start, first, nested, Object.keys(top).length === 0) }
  }
  if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return undefined
  if ((inner as Record<string, unknown>)[second] !== undefined) return 'there'
  return { body: JSON.stringify({ ...top, [first]: { ...inner, [second]: value() } }) }
}

const prepend = (body: string, start: string, name: string, json: string, empty: boolean): string =>
  `${start}${JSON.stringify(name)}:${json}${empty ? '' : ','}${body.slice(start.length)}`
