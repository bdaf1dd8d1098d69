import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startProgram } from '../../scenario/index.ts'
import type { Agent, ServerCommand } from './agent.ts'
import { ended } from './pids.ts'
import type { Count } from './shop-books.ts'
import type { Return } from './story.ts'

/** One run of the story against a fresh shop. */
export interface Half {
  /** What the shop's own database holds at the end. */
  readonly counts: readonly Count[]
  readonly tookMs: number
}

export interface HalfOptions {
  readonly agent: Agent
  readonly returns: readonly Return[]
  /** The tool server, as the agent starts it; the shop's address is added to its environment. */
  readonly server: Pick<ServerCommand, 'command' | 'args'>
  readonly seed: number
  /** Folder for the shop's database and the process ids. */
  readonly folder: string
  readonly name: string
}

/** Starts a shop, lets the agent work, counts, and sees to it that every process has ended. */
export async function runHalf(options: HalfOptions): Promise<Half> {
  const pids = join(options.folder, `${options.name}.pids`)
  const shop = await startShopProcess(join(options.folder, `${options.name}-shop.db`), options.seed)
  const told = join(options.folder, `${options.name}.log`)
  const stderr = openSync(told, 'w', 0o600)
  const from = performance.now()
  try {
    const env = { ...environment(), SHOP_URL: shop.url, DEMO_PIDS: pids }
    await options.agent(options.returns, { ...options.server, env, stderr }).catch((error: unknown) => {
      throw new Error(`the run ${options.name} Onefold failed:\n${readFileSync(told, 'utf8').slice(-2_000)}`, {
        cause: error,
      })
    })
    const tookMs = performance.now() - from
    const counts = (await (await fetch(`${shop.url}/books`)).json()) as readonly Count[]
    return { counts, tookMs }
  } finally {
    closeSync(stderr)
    await shop.stop()
    await ended(pids)
  }
}

async function startShopProcess(books: string, seed: number): Promise<{ url: string; stop(): Promise<void> }> {
  const file = import.meta.url.endsWith('.ts') ? './shop.process.ts' : './shop.process.js'
  const { said, stop } = await startProgram(fileURLToPath(new URL(file, import.meta.url)), [books, String(seed)])
  const { url } = JSON.parse(said) as { url: string }
  return { url, stop }
}

/** The environment for children, without what a test runner or this repository's scripts put into it. */
function environment(): Record<string, string> {
  const { NODE_OPTIONS: _options, ...rest } = process.env
  return Object.fromEntries(Object.entries(rest).filter((entry): entry is [string, string] => entry[1] !== undefined))
}
