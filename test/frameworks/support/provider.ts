import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** How the provider behaves from now on; planning it anew also forgets its samples. */
export interface ProviderPlan {
  /** Before each answer. */
  readonly delayMs?: number
  /** Pieces of a stream after which it waits for `release`. */
  readonly holdAfter?: number
  /** By sample: a 500, or a stream that is cut after its tool call, once `release` is called. */
  readonly faults?: readonly ('refuse' | 'cut' | 'overloaded' | null)[]
  /** Tool calls in one turn. @default 1 */
  readonly calls?: number
  /** Samples that call the tool although its result is there. @default 0 */
  readonly repeats?: number
}

/** A running provider. */
export interface Provider {
  readonly url: string
  plan(plan: ProviderPlan): Promise<void>
  release(): Promise<void>
  /** Requests that reached it since it was planned. */
  samples(): Promise<number>
  /** Their bodies. */
  seen(): Promise<readonly string[]>
  close(): Promise<void>
}

export async function startProvider(): Promise<Provider> {
  const program = fileURLToPath(new URL('./provider.process.ts', import.meta.url))
  const child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const url = `http://127.0.0.1:${line.toString().trim()}`
  const state = async (): Promise<{ samples: number; seen: readonly string[] }> =>
    (await (await fetch(`${url}/seen`)).json()) as { samples: number; seen: readonly string[] }
  return {
    url,
    plan: async (plan) => void (await fetch(`${url}/plan`, { method: 'POST', body: JSON.stringify(plan) })),
    release: async () => void (await fetch(`${url}/release`, { method: 'POST' })),
    samples: async () => (await state()).samples,
    seen: async () => (await state()).seen,
    close: async () => {
      child.stdin.end()
      if (child.exitCode === null) await once(child, 'exit')
    },
  }
}
