import { readFileSync } from 'node:fs'

/** Reads one of the language-neutral vector files of this folder. */
export function readVectors<Vector, File = unknown>(name: string): File & { readonly vectors: readonly Vector[] } {
  return JSON.parse(readFileSync(new URL(`./${name}.json`, import.meta.url), 'utf8')) as File & {
    readonly vectors: readonly Vector[]
  }
}
