import { OnefoldError } from '../error/index.ts'
import { digest, frameFields, type Secret } from './digest.ts'
import { KEY_SHAPES, type KeyForm, type KeyShape, type NoKey } from './key-shapes.ts'
import { isOperationKey } from './operation-key.ts'
import { refusal } from './refuse.ts'

/** What a downstream key is derived from. */
export interface DownstreamKeyParts {
  /** The operation's key. */
  readonly key: string
  /** Name in `KEY_SHAPES`, whatever its case; any other name, or none, gives a UUIDv8. */
  readonly provider?: string | undefined
  /** Tells several requests of one operation apart (`'charge'`, `'receipt-mail'`). @default '' */
  readonly operation?: string | undefined
  /** Tells repeats of the same request inside one operation apart. @default 0 */
  readonly ordinal?: number | undefined
  /** Grows when an operation that was released or rejected runs anew (protocol.md T18). @default 0 */
  readonly generation?: number | undefined
  /** With a secret the key is an HMAC. @default none */
  readonly secret?: Secret | undefined
}

const HEX = '0123456789abcdef'

/** RFC 9562 sections 5.4 and 5.8: 122 bits of the digest around version and variant. */
function toUuid(hex: string, version: '4' | '8'): string {
  const variant = HEX.charAt(8 + (Number.parseInt(hex.charAt(16), 16) & 3))
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${version}${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

function formOf(provider: string | undefined): KeyForm {
  const name = provider?.toLowerCase()
  if (name === undefined || !Object.hasOwn(KEY_SHAPES, name)) return 'uuid-v8'
  const shape = KEY_SHAPES[name] as KeyShape | NoKey
  if (shape.form === 'none') {
    throw new OnefoldError(
      'CONTRACT_INVALID',
      `${name} takes no idempotency key, so keyed() cannot protect this call: ${shape.instead}. Nothing was sent.`,
      { details: { provider: name, source: shape.source } },
    )
  }
  return shape.form
}

function counter(name: 'ordinal' | 'generation', value: number): string {
  if (!Number.isSafeInteger(value) || value < 0) throw refusal([name], 'must be a whole number from 0')
  return String(value)
}

/**
 * The key to send to a provider as its idempotency key: a digest over the length-prefixed fields `of1-downstream`,
 * key, operation, ordinal, generation, written as the provider demands. The provider decides the form alone, so
 * naming it later (`downstreamKey()` to `downstreamKey('stripe')`) does not turn a repeat into a new request.
 * @throws OnefoldError CONTRACT_INVALID for a provider that takes no key, saying what to use instead
 * @throws OnefoldError KEY_INVALID where `key` is not an operation key, INPUT_INVALID for a bad ordinal, generation
 * or operation
 */
export function downstreamKey(parts: DownstreamKeyParts): string {
  const form = formOf(parts.provider)
  if (!isOperationKey(parts.key)) {
    throw new OnefoldError(
      'KEY_INVALID',
      'A downstream key is derived from an operation key (of1_…). Nothing was sent.',
    )
  }
  const operation = parts.operation ?? ''
  if (!operation.isWellFormed()) throw refusal(['operation'], 'a lone surrogate is not text')
  const ordinal = counter('ordinal', parts.ordinal ?? 0)
  const generation = counter('generation', parts.generation ?? 0)
  const text = digest(frameFields(['of1-downstream', parts.key, operation, ordinal, generation]), parts.secret)
  if (form === 'base64url-32') return text.slice(0, 32)
  return toUuid(Buffer.from(text, 'base64url').toString('hex'), form === 'uuid-v4' ? '4' : '8')
}
