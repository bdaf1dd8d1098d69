import { knownOptions, type NamesOf } from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'
import { hmac } from './hmac.ts'

/** What a verified delivery says of itself. */
export interface Delivery {
  /** The sender's id of the event: the same for every redelivery. */
  readonly id: string
  readonly type: string | undefined
  /** The body as the sender's JSON; the text where it is none. */
  readonly body: unknown
}

export type Verified =
  | { readonly ok: true; readonly delivery: Delivery }
  /** Something that is answered and not handled: an address check. */
  | { readonly ok: 'answer'; readonly status: number; readonly body: string }
  | { readonly ok: false; readonly why: string }

/** A request as a signature sees it. */
export interface RawDelivery {
  /** The bytes as they arrived; a parsed and printed body has another signature. */
  readonly raw: Uint8Array
  readonly headers: Headers
  /** Wall clock, milliseconds. */
  readonly nowMs: number
}

/** How one sender signs and names what it delivers. */
export interface Scheme {
  readonly name: string
  /** How long the sender may go on delivering the same event, in milliseconds. */
  readonly retryHorizonMs: number
  /** Tells endpoints of one sender apart: the same for the same secrets, and does not give them away. @default the scheme itself */
  readonly endpoint?: string
  verify(delivery: RawDelivery): Verified | Promise<Verified>
}

export interface SchemeOptions {
  /** The signing secret; several while one is being replaced. */
  readonly secret: string | readonly string[]
}

export interface TimedSchemeOptions extends SchemeOptions {
  /** How old a signature may be, in milliseconds. Senders sign each redelivery anew. @default 300,000 */
  readonly toleranceMs?: number
}

export const HOUR_MS = 3_600_000
export const DAY_MS: number = 24 * HOUR_MS
const TOLERANCE_MS = 300_000

export const refused = (why: string): Verified => ({ ok: false, why })

const NAMES: NamesOf<SchemeOptions> = { secret: true }
const TIMED_NAMES: NamesOf<TimedSchemeOptions> = { secret: true, toleranceMs: 'number' }

/** @throws OnefoldError CONFIG_INVALID for no secret: an inbox without one would take anything; for an unknown option */
export const secretsOf = (of: string, options: SchemeOptions): readonly string[] =>
  secretsIn(of, knownOptions(of, options, NAMES))

/** {@link secretsOf} a sender that signs the time. */
export const timedSecretsOf = (of: string, options: TimedSchemeOptions): readonly string[] =>
  secretsIn(of, knownOptions(of, options, TIMED_NAMES))

function secretsIn(of: string, { secret }: SchemeOptions): readonly string[] {
  // Read from an environment that lacks it, it is undefined.
  const secrets: readonly unknown[] = Array.isArray(secret) ? secret : [secret]
  if (secrets.length === 0 || secrets.some((one) => typeof one !== 'string' || one === '')) {
    throw new OnefoldError(
      'CONFIG_INVALID',
      `${of} needs its signing secret and was given none. Without one, anybody could deliver. Write secret: 'whsec_…', or a list of them. Nothing was registered.`,
    )
  }
  return secrets as readonly string[]
}

/** {@link Scheme.endpoint} of these secrets. */
export const endpointOf = (sender: string, secrets: readonly (string | Uint8Array)[]): string =>
  secrets.map((secret) => hmac(secret, sender).toString('base64url')).join()

/** Why a timestamp in seconds is not taken; undefined when it is. */
export function tooOld(seconds: string, nowMs: number, toleranceMs: number = TOLERANCE_MS): string | undefined {
  if (!/^\d{1,12}$/.test(seconds)) return 'the timestamp is no number of seconds'
  const ageMs = Math.abs(nowMs - Number(seconds) * 1000)
  return ageMs > toleranceMs ? `the signature is ${Math.round(ageMs / 1000)} s away from now` : undefined
}

/** The body as JSON, or as text where it is none. */
export function bodyOf(raw: Uint8Array): unknown {
  const text = new TextDecoder().decode(raw)
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}

/** A text member of a JSON body. */
export function member(body: unknown, name: string): string | undefined {
  const value: unknown = typeof body === 'object' && body !== null ? (body as Record<string, unknown>)[name] : undefined
  return typeof value === 'string' && value !== '' ? value : undefined
}
