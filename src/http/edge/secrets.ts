import { isSecret } from '../exchange/index.ts'

/** Credentials by whom they belong to, in memory only: what an operation needs to be sent again and may not be stored. */
export interface Secrets {
  remember(owner: string, rawHeaders: readonly string[]): void
  /** Names and values in turn; undefined when this process has not seen the owner. */
  of(owner: string): readonly string[] | undefined
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
      known.delete(owner)
      known.set(owner, found)
      const oldest = known.size > KEPT ? known.keys().next() : undefined
      if (oldest?.value !== undefined) known.delete(oldest.value)
    },
    of: (owner) => known.get(owner),
  }
}
