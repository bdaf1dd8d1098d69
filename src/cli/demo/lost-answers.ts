import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { OperationRecord } from '../../engine/index.ts'
import { nameOf } from '../ledger/next.ts'
import { withLedger } from '../ledger/open.ts'
import { timeline } from '../ledger/timeline.ts'
import type { Agent } from './agent.ts'
import { CONTRACTS } from './contracts.ts'
import { inFolder } from './folder.ts'
import { runHalf } from './half.ts'
import type { EndState, Row, Story } from './report.ts'
import { KINDS, type Count, type Kind } from './shop-books.ts'
import { returnsOf } from './story.ts'

export interface DemoOptions {
  readonly agent: Agent
  /** Program and arguments of the MCP server that offers the shop's tools. */
  readonly server: readonly [string, ...string[]]
  readonly seed: number
  /** Returns that the agent works through; three effects are wanted for each. */
  readonly returns: number
  /** Keeps the ledger and says where it is. @default false */
  readonly keep?: boolean
}

const TOOL_OF: Readonly<Record<Kind, string>> = { order: 'create_order', refund: 'refund_payment', mail: 'send_mail' }

/**
 * The same agent over the same shop, whose answers are lost on the same schedule: once directly, once through
 * `onefold mcp`. What happened is counted in the shop's own database. Everything it starts has ended when it resolves,
 * and its folder is gone unless it is to be kept.
 */
export async function lostAnswers(options: DemoOptions): Promise<Story> {
  return await inFolder(options.keep === true, (folder) => tell(options, folder))
}

async function tell({ agent, server, seed, returns: count, keep }: DemoOptions, folder: string): Promise<Story> {
  const config = join(folder, 'onefold.yaml')
  const store = `sqlite:${join(folder, 'ledger.db')}`
  writeFileSync(config, CONTRACTS)
  const returns = returnsOf(count)
  const shared = { agent, returns, seed, folder }
  const [command, ...args] = server
  const without = await runHalf({ ...shared, name: 'without', server: { command, args } })
  const proxy = [onefoldBin(), 'mcp', '--config', config, '--store', store, '--', ...server]
  const protectedHalf = await runHalf({ ...shared, name: 'with', server: { command: process.execPath, args: proxy } })
  return await withLedger({ store }, async ({ all, view }) => {
    const records: OperationRecord[] = []
    for await (const { record } of all.export()) records.push(record)
    const doubts = records.filter(({ state }) => state === 'in-doubt' || state === 'recovering')
    const interesting = mostEventful(records)
    return {
      seed,
      returns: count,
      without: { rows: rowsOf(count, without.counts, undefined), tookMs: without.tookMs },
      with: { rows: rowsOf(count, protectedHalf.counts, doubts), tookMs: protectedHalf.tookMs },
      shown:
        interesting === undefined
          ? undefined
          : { name: nameOf(interesting), timeline: timeline(await all.show(interesting.key), { ...view, flags: '' }) },
      doubts: doubts.map((record) => ({ name: nameOf(record), tool: record.tool })),
      ...(keep === true ? { store } : {}),
    } satisfies Story
  })
}

/** The operation that was tried most often and still came to a good end by itself; else any that is in doubt. */
function mostEventful(records: readonly OperationRecord[]): OperationRecord | undefined {
  const busy = records.toSorted((a, b) => b.recoveries - a.recoveries || b.attempts - a.attempts)
  return busy.find(({ state, recoveries }) => state === 'committed' && recoveries > 0) ?? busy[0]
}

function rowsOf(
  wanted: number,
  counts: readonly Count[],
  doubts: readonly OperationRecord[] | undefined,
): readonly Row[] {
  return KINDS.map((kind) => {
    const { done, distinct } = counts.find((count) => count.kind === kind) ?? { done: 0, distinct: 0 }
    const inDoubt = doubts?.filter(({ tool }) => tool.endsWith(TOOL_OF[kind])).length
    return { kind, wanted, done, duplicates: done - distinct, missing: wanted - distinct, inDoubt }
  })
}

/** This package's own command: beside `src/` in the repository as beside `dist/` in the package. */
const onefoldBin = (): string => fileURLToPath(new URL('../../../bin/onefold.js', import.meta.url))

/** True when no wish was done twice, and each was done or is listed as a doubt. */
export const holds = ({ rows }: EndState): boolean =>
  rows.every(({ duplicates, missing, inDoubt }) => duplicates === 0 && missing <= (inDoubt ?? 0))
