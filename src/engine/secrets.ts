import { OnefoldError } from '../error/index.ts'
import type { Secret } from '../key/index.ts'
import type { Naming } from './operation.ts'

/**
 * The secrets that name a guard's operations. An older one that is missing, as from a variable that is not set, would let
 * everything that was recorded under it happen again.
 * @throws OnefoldError CONFIG_INVALID
 */
export function secretsOf(options: {
  readonly keySecret?: Secret
  readonly previousSecrets?: readonly (Secret | null)[]
}): Pick<Naming, 'keySecret' | 'previousSecrets'> {
  const { keySecret, previousSecrets = [] } = options
  if (keySecret !== undefined && !isSecret(keySecret)) throw unusable('keySecret')
  for (const [at, secret] of previousSecrets.entries())
    if (secret !== null && !isSecret(secret)) throw unusable(`previousSecrets[${at}]`)
  return { keySecret, previousSecrets: previousSecrets.map((secret) => secret ?? undefined) }
}

const isSecret = (given: unknown): boolean =>
  (typeof given === 'string' || given instanceof Uint8Array) && given.length > 0

const unusable = (name: string): OnefoldError =>
  new OnefoldError(
    'CONFIG_INVALID',
    `${name} is no secret. Give text or bytes${name === 'keySecret' ? ', or none at all' : ', or null for the time before there was a secret'}. Nothing was started.`,
    { details: { name } },
  )
