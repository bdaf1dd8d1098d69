import { keepNewest } from '../../engine/index.ts'
import { isSecret } from '../exchange/index.ts'

/** Credentials by whom they belong to, in memory only: what an operation needs to be sent again and may not be stored. */
export interface Secrets {
  /** @param proof tells credentials apart where several callers are one owner */
  remember(owner: string, rawHeaders: readonly string[], proof?: string): void
  /** Names and values in turn; undefined when this process has not seen the owner, or nobody with the proof. */
  of(owner: string, proof?: string): readonly string[] | undefined
}

const KEPT = 10_000

export function createSecrets(): Secrets {
  const known = new Map<string, readonly string[]>()
  return {
    remember(principal, rawHeaders, proof) {
      const owner = nameOf(principal, proof)
      let found: string[] | undefined
      for (let at = 0; at < rawHeaders.length; at += 2) {
        const name = rawHeaders[at] as string
        if (isSecret(name.toLowerCase())) (found ??= []).push(name, rawHeaders[at + 1] as string)
      }
      if (found === undefined) return
      keepNewest(known, owner, found, KEPT)
    },
    of: (owner, proof) => known.get(nameOf(owner, proof)),
  }
}

const nameOf = (owner: string, proof: string | undefined): string =>
  proof === undefined ? owner : `${owner}\n${proof}`
