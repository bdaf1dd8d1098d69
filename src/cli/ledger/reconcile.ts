import { nearest } from '../../contract/index.ts'
import {
  nameOfItem,
  type Ledger,
  type ReconcileEntry,
  type ReconcileOperation,
  type Reconciliation,
} from '../../engine/index.ts'
import { dateOf } from '../ago.ts'
import { EXIT, isCancelled, wrongUse } from '../exit-code.ts'
import { colors, plain, print, printJson, table } from '../output.ts'
import { progressOf, withCancel } from '../progress.ts'
import type { WhereOptions } from './locate.ts'
import { itemsOf, parsed } from './downstream-list.ts'
import { withLedger } from './open.ts'

export interface ReconcileCommandOptions extends WhereOptions {
  readonly tool: string
  readonly list?: string
  readonly itemKey?: string
  readonly operationKey?: string
  readonly request?: string
  readonly since?: string
  readonly until?: string
  readonly allTenants?: boolean
  readonly json?: boolean
}

/**
 * `onefold ledger reconcile --tool NAME --list FILE` or `-- COMMAND`: where the ledger and the downstream's own list
 * differ. Changes nothing; exit 1 when they differ.
 */
export async function ledgerReconcile(command: readonly string[], options: ReconcileCommandOptions): Promise<number> {
  const place = options.operationKey === undefined ? undefined : operationBy(options.operationKey)
  const { itemKey } = options
  const item = itemKey === undefined ? undefined : (one: unknown) => textAt(one, itemKey)
  const since = options.since === undefined ? undefined : timeOf(options.since, '--since')
  const until = options.until === undefined ? undefined : timeOf(options.until, '--until')
  return await withCancel(async (signal) => {
    const within = since !== undefined || until !== undefined
    const items = await itemsOf(command, { file: options.list, signal, nameOf: item ?? nameOfItem, within })
    return await withLedger(options, async ({ own, all, where }) => {
      const progress = progressOf('operations compared')
      try {
        const ledger = options.allTenants === true ? all : own
        await assertRecorded(ledger, options.tool)
        const found = await ledger.reconcile(items, {
          tool: options.tool,
          signal,
          progress: progress.at,
          ...(item === undefined ? {} : { item }),
          ...(place === undefined ? {} : { operation: place.names }),
          ...(options.request === undefined ? {} : { request: requestBy(options.request) }),
          ...(since === undefined ? {} : { since }),
          ...(until === undefined ? {} : { until }),
        })
        progress.done()
        place?.assertMet()
        const differences = differencesIn(found)
        if (options.json === true)
          printJson({ ledger: where.url, tool: options.tool, items: items.length, differences, ...found })
        else print(report(found, items.length, differences, where.flags))
        return differences === 0 ? EXIT.ok : EXIT.findings
      } catch (error) {
        progress.done()
        if (!isCancelled(error)) throw error
        print('Cancelled. Nothing was changed.')
        return EXIT.interrupted
      }
    })
  })
}

const differencesIn = (found: Reconciliation): number =>
  found.missing.length +
  found.unrecorded.length +
  found.repeated.length +
  found.doubtsThatHappened.length +
  found.doubtsNotListed.length +
  found.unknown.length

type Kind = Exclude<keyof Reconciliation, 'agreed' | 'unnamed' | 'nameless' | 'unknown'>

const HEADINGS: Readonly<Record<Kind, string>> = {
  repeated: 'The downstream has it more than once',
  missing: 'Done, says the ledger; the downstream does not have it',
  unrecorded: 'Nothing happened, says the ledger; the downstream has it',
  doubtsThatHappened: 'In doubt, and the downstream has it: it happened',
  doubtsNotListed: 'In doubt, and the downstream does not have it',
}

function report(found: Reconciliation, items: number, differences: number, flags: string): string {
  const lines = [`${found.agreed} operations are done on both sides, once; ${items} items in the downstream’s list.`]
  for (const [kind, heading] of Object.entries(HEADINGS) as [Kind, string][]) {
    const entries: readonly (ReconcileEntry & { readonly name?: string; readonly times?: number })[] = found[kind]
    if (entries.length === 0) continue
    const rows = entries.map((entry) => [
      `  ${entry.ticket}`,
      entry.state,
      dateOf(entry.at),
      plain(entry.name ?? ''),
      entry.times === undefined ? '' : `${entry.times} times`,
    ])
    lines.push('', colors.bold(`${heading} (${entries.length})`), table(rows))
  }
  if (found.unknown.length > 0) {
    const rows = found.unknown.map(({ name, times }) => [`  ${plain(name)}`, times === 1 ? '' : `${times} times`])
    lines.push(
      '',
      colors.bold(`In the downstream’s list, and of no operation here (${found.unknown.length})`),
      table(rows),
    )
  }
  if (found.unnamed > 0)
    lines.push(
      '',
      colors.yellow(`${found.unnamed} items have no key that could be compared: say where it is with --item-key`),
    )
  if (found.nameless > 0)
    lines.push(
      '',
      colors.yellow(
        `${found.nameless} operations could not be compared: what --operation-key names is erased, or was never recorded`,
      ),
    )
  const [happened] = found.doubtsThatHappened
  if (happened !== undefined)
    lines.push(
      '',
      `${colors.bold('next')}  onefold ledger resolve ${happened.ticket} --done --note "in the downstream’s list"${flags}`,
    )
  lines.push('', differences === 0 ? 'No differences.' : `${differences} differences. Nothing was changed.`)
  return lines.join('\n')
}

/** A tool without operations would make every item of the list "of no operation here". */
async function assertRecorded(ledger: Ledger, tool: string): Promise<void> {
  if ((await ledger.list({ tool, limit: 1 })).records.length > 0) return
  const { records } = await ledger.list({ limit: 1_000 })
  const tools = [...new Set(records.map((record) => record.tool))]
  const meant = nearest(tool, tools)
  const known = meant === undefined ? tools.slice(0, 10).map(plain).join(', ') : `Did you mean ${plain(meant)}?`
  throw wrongUse(
    `No operation of ${plain(tool)} is recorded here. ${meant === undefined && known !== '' ? `Recorded are: ${known}.` : known} Nothing was changed.`,
  )
}

interface Place {
  readonly names: (operation: ReconcileOperation) => readonly (string | undefined)[]
  /** @throws OnefoldError INPUT_INVALID where operations have such a thing, and none of them has it at this place */
  readonly assertMet: () => void
}

/** What identifies an operation downstream: `key`, or a path into its recorded arguments or answer. */
function operationBy(place: string): Place {
  const [root = '', ...steps] = place.split('.')
  const path = steps.join('.')
  if (root === 'key' && path === '') return { names: ({ record }) => [record.key], assertMet: () => {} }
  if ((root === 'input' || root === 'result') && path !== '' && !steps.includes('')) {
    let [looked, met] = [0, 0]
    return {
      names: (operation) => {
        const value = answerOf(operation[root])
        const name = textAt(value, path)
        if (value !== undefined) looked += 1
        if (name !== undefined) met += 1
        return [name]
      },
      assertMet: () => {
        if (looked === 0 || met > 0) return
        throw wrongUse(
          `--operation-key ${plain(place)} is in none of ${looked} operations, so nothing was compared. \`onefold ledger show KEY --show-input\` shows what they hold.`,
        )
      },
    }
  }
  throw wrongUse(
    `--operation-key cannot be ${plain(place)}. Write key, input.order_id (its arguments) or result.id (its recorded answer).`,
  )
}

/** `POST /v1/orders/{input.ref}`: placeholders are filled from the operation, as a path has them. */
function requestBy(template: string): (operation: ReconcileOperation) => string | undefined {
  if (!/^[A-Z]+ \/\S*$/.test(template))
    throw wrongUse(`--request cannot be ${plain(template)}. Write a method and a path, as POST /v1/refunds.`)
  return (operation) => {
    let whole = true
    const request = template.replaceAll(/\{input\.([^{}]+)\}/g, (_all, path: string) => {
      const value = textAt(operation.input, path)
      whole &&= value !== undefined
      return encodeURIComponent(value ?? '')
    })
    return whole ? request : undefined
  }
}

/** An MCP result is kept as its text; what it answers is its structured content, else the JSON in its first text. */
function answerOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('mcpResult' in value)) return value
  const result = parsed(String(value.mcpResult)) as
    | { readonly structuredContent?: unknown; readonly content?: readonly { readonly text?: string }[] }
    | undefined
  return result?.structuredContent ?? parsed(result?.content?.[0]?.text ?? '') ?? result
}

function textAt(value: unknown, path: string): string | undefined {
  let found = value
  for (const step of path.split('.')) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, step)) return undefined
    found = (found as Record<string, unknown>)[step]
  }
  if (typeof found === 'number' || typeof found === 'bigint') return String(found)
  return typeof found === 'string' ? found : undefined
}

function timeOf(given: string, flag: string): number {
  const time = Date.parse(given)
  if (Number.isFinite(time)) return time
  throw wrongUse(`${flag} cannot be ${plain(given)}. Write a date such as 2026-11-28 or 2026-11-28T12:00:00Z.`)
}
