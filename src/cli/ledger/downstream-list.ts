import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { addAbortSignal } from 'node:stream'
import { text } from 'node:stream/consumers'
import { isOnefoldError } from '../../error/index.ts'
import { isCancelled, wrongUse } from '../exit-code.ts'
import { plain } from '../output.ts'

export interface ListOptions {
  /** A file, or `-` for standard input; undefined: a command prints the list. */
  readonly file: string | undefined
  readonly signal: AbortSignal
  /** What names an item. */
  readonly nameOf: (item: unknown) => string | undefined
  /** Only a part of the operations is compared, so that a part of the list may do. */
  readonly within: boolean
}

/**
 * The downstream's list: of a file, of standard input, or what a command prints. Half a list is refused wherever it shows,
 * since it makes every other operation "missing". @throws OnefoldError INPUT_INVALID
 */
export async function itemsOf(command: readonly string[], options: ListOptions): Promise<readonly unknown[]> {
  const { file, signal } = options
  if ((file === undefined) === (command.length === 0))
    throw wrongUse('Give the downstream’s list: --list FILE (- for standard input), or -- COMMAND that prints it.')
  if (file === '-') return itemsIn(await text(addAbortSignal(signal, process.stdin)), 'standard input', options)
  if (file === undefined) return itemsIn(await printedBy(command, signal), command[0] ?? '', options)
  try {
    return itemsIn(await text(createReadStream(file, { signal })), file, options)
  } catch (error) {
    if (isOnefoldError(error) || isCancelled(error)) throw error
    throw wrongUse(`${plain(file)} cannot be read. Nothing was changed.`)
  }
}

async function printedBy([program = '', ...args]: readonly string[], signal: AbortSignal): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], signal })
  const ended = once(child, 'close').catch((error: unknown) => {
    if (isCancelled(error) || signal.aborted) throw error
    throw wrongUse(`${plain(program)} cannot be started. Nothing was changed.`)
  })
  ended.catch(() => undefined)
  const printed = await text(child.stdout)
  const [status] = (await ended) as [number | null]
  if (status !== 0)
    throw wrongUse(
      `${plain(program)} ended with status ${String(status)}, so its list may not be whole. Nothing was changed.`,
    )
  return printed
}

/** Lists, objects that hold one (`data`, `items`, `results`), or items: one JSON value in all, or one a line. */
function itemsIn(given: string, from: string, { nameOf, within }: ListOptions): readonly unknown[] {
  const whole = parsed(given)
  const values = whole === undefined ? linesOf(given, from) : [whole]
  if (values.length === 0) throw wrongUse(`${plain(from)} is empty. A list of nothing is []. Nothing was changed.`)
  const pages = values.map((value) => pageOf(value, nameOf))
  const more = pages.at(-1)?.more
  if (more !== undefined && !within)
    throw wrongUse(
      `${plain(from)} is not the whole list: its ${more} says that there is more. Give all pages, one a line, or say with --since and --until which part it is. Nothing was changed.`,
    )
  const items = pages.flatMap((page) => page.items)
  if (items.length > 0 && items.every((item) => nameOf(item) === undefined))
    throw wrongUse(
      `None of the ${items.length} items of ${plain(from)} has a key that could be compared: say where it is with --item-key. Nothing was changed.`,
    )
  return items
}

function linesOf(given: string, from: string): readonly unknown[] {
  return given.split('\n').flatMap((line, at) => {
    if (line.trim() === '') return []
    const item = parsed(line)
    if (item === undefined)
      throw wrongUse(
        `Line ${at + 1} of ${plain(from)} is not JSON. Give a JSON list, or one JSON value a line. Nothing was changed.`,
      )
    return [item]
  })
}

interface Page {
  readonly items: readonly unknown[]
  /** The field that says that there are more pages. */
  readonly more?: string | undefined
}

/** An order has items too: what has a name of its own is an item. */
function pageOf(value: unknown, nameOf: ListOptions['nameOf']): Page {
  if (Array.isArray(value)) return { items: value as unknown[] }
  if (typeof value !== 'object' || value === null || nameOf(value) !== undefined) return { items: [value] }
  const fields = value as Readonly<Record<string, unknown>>
  const list = ['data', 'items', 'results'].map((name) => fields[name]).find(Array.isArray) as unknown[] | undefined
  return list === undefined ? { items: [value] } : { items: list, more: MORE.find((name) => isMore(fields[name])) }
}

/** Where services say that a page is not the last: Stripe, GitHub, Google, Slack and their like. */
const MORE = [
  'has_more',
  'hasMore',
  'next',
  'next_page',
  'nextPage',
  'next_cursor',
  'nextCursor',
  'next_page_token',
  'nextPageToken',
] as const

const isMore = (value: unknown): boolean =>
  value === true || (typeof value === 'string' && value !== '') || (typeof value === 'number' && value > 0)

/** Undefined for what is no JSON. Whole numbers beyond 2^53 stay as they were written: rounded, two would be one. */
export function parsed(json: string): unknown {
  try {
    return JSON.parse(json, /\d{16}/.test(json) ? exact : undefined) as unknown
  } catch {
    return undefined
  }
}

const exact = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
  typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
    ? context?.source
    : value
