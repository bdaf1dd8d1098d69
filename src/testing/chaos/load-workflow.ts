import { pathToFileURL } from 'node:url'
import type { ChaosOptions } from './options.ts'

/** What a user's module exports as `chaos`; undefined where it exports no such thing. */
export async function loadWorkflow(file: string): Promise<ChaosOptions<unknown> | undefined> {
  return ((await import(pathToFileURL(file).href)) as { readonly chaos?: ChaosOptions<unknown> }).chaos
}
