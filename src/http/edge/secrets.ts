import { keepNewest } from '../../engine/index.ts'
import { isSecret } from '../exchange/index.ts'

/** Whose credentials they are. */
export interface Owner {
  /** Undefined where no header names tenants. A front may name a user alike in two of them. */
  readonly tenant: string | undefined
  readonly session: string
  /** Tells credentials apart where several callers are one session. */
  readonly proof?: string | undefined
}

/** Credentials by whom they belong to, in memory only: what an operation needs to be sent again and may not be stored. */
export interface Secrets {
  remember(owner: Owner, rawHeaders: readonly string[]): void
  /** Names and values in turn; undefined when this process has not seen the owner, or nobody with the proof. */
  of(owner: Owner): readonly string[] | undefined
}

const KEPT = 10_000

export function createSecrets(): Secrets {
  const known = new Map<string, readonly string[]>()
  return {
    remember(owner, rawHeaders) {
      let found: string[] | undefined
      for (let at = 0; at < rawHeaders.length; at += 2) {
        const name = rawHeaders[at] as string
        if (isSecret(name.toLowerCase())) (found ??= []).push(name, rawHeaders[at + 1] as string)
      }
      if (found === undefined) return
      keepNewest(known, nameOf(owner), found, KEPT)
    },
    of: (owner) => known.get(nameOf(owner)),
  }
}

const nameOf = ({ tenant, session, proof }: Owner): string => JSON.stringify([tenant, session, proof])
