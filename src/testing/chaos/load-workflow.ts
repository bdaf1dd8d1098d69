import { pathToFileURL } from 'node:url'
import type { ChaosOptions } from './options.ts'

interface Exports {
  readonly chaos?: ChaosOptions<unknown>
  /** What a CommonJS module exports: Node finds its names by reading its text, and overlooks most objects. */
  readonly default?: { readonly chaos?: ChaosOptions<unknown> } | null
}

/** What a user's module exports as `chaos`; undefined where it exports no such thing. */
export async function loadWorkflow(file: string): Promise<ChaosOptions<unknown> | undefined> {
  const exported = (await import(pathToFileURL(file).href)) as Exports
  return exported.chaos ?? exported.default?.chaos
}
