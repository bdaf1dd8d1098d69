import { CONTRACT } from '../proxy/listed-contracts.ts'
import type { ListedTool } from './list-tools.ts'

/** What a tool seems to be, by what its server says. A guess for people: never a contract. */
export interface Guess {
  readonly effect: 'read' | 'write' | 'unclear'
  readonly why: string
}

const READ_VERBS = words(
  'get list read search find fetch query retrieve analyze analyse describe show view count check lookup browse preview inspect summarize summarise compare validate verify explain status help ping echo diff',
)
const WRITE_VERBS = words(
  'send create add update delete remove write edit move post put patch set insert append publish pay charge refund transfer book order buy purchase cancel invite assign merge upload push commit reply comment react archive restore rename copy close reopen open start stop run execute trigger schedule submit approve reject enable disable reset clear drop kill deploy reboot toggle increment decrement mark pin unpin star subscribe unsubscribe share grant revoke complete fork make save store upsert sync import',
)

function words(text: string): ReadonlySet<string> {
  return new Set(text.split(' '))
}

/** The words of a name in any case: `createOrder`, `create_order`, `create-order`. */
export const wordsOf = (name: string): readonly string[] =>
  name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '')

/** The first verb of a tool's name; prefixes such as the server's own name are passed over. */
export function verbOf(name: string): { readonly verb: string; readonly effect: 'read' | 'write' } | undefined {
  for (const verb of wordsOf(name)) {
    if (WRITE_VERBS.has(verb)) return { verb, effect: 'write' }
    if (READ_VERBS.has(verb)) return { verb, effect: 'read' }
  }
  return undefined
}

/** Whether a tool seems to change something. */
export function guessOf(tool: ListedTool): Guess {
  const declared = contractOf(tool)
  if (declared?.effect === 'read' || declared?.effect === 'write')
    return { effect: declared.effect, why: `its contract says ${declared.effect}` }
  const verb = verbOf(tool.name)
  const hint = tool.annotations?.readOnlyHint
  if (verb?.effect === 'write') return { effect: 'write', why: `its name says “${verb.verb}”` }
  if (hint === true && verb?.effect === 'read')
    return { effect: 'read', why: `its name says “${verb.verb}”, and its annotations that it only reads` }
  if (hint === true) return { effect: 'unclear', why: 'its annotations say that it only reads, its name does not' }
  if (hint === false) return { effect: 'write', why: 'its annotations say that it changes something' }
  if (verb !== undefined) return { effect: 'unclear', why: `its name says “${verb.verb}”, its annotations say nothing` }
  return { effect: 'write', why: 'nothing says that it only reads' }
}

/** The contract that a server with Onefold lists. */
export const contractOf = ({ _meta }: ListedTool): ListedContract | undefined => {
  const found = _meta?.[CONTRACT]
  return typeof found === 'object' && found !== null ? (found as ListedContract) : undefined
}

/** True for a tool whose own server, or a proxy in front of it, keeps a contract that somebody wrote. */
export function isProtected(tool: ListedTool): boolean {
  const contract = contractOf(tool)
  return contract?.effect === 'write' && contract.declared !== false && contract.protected !== false
}

interface ListedContract {
  readonly effect?: unknown
  readonly identity?: unknown
  readonly declared?: unknown
  readonly protected?: unknown
}

/** Verbs of what happens anew each time, and sets no state: to do it twice is to have it twice. */
const HAPPENING = words(
  'send create add append post pay charge refund transfer book order buy purchase reply comment increment decrement publish invite submit insert upload trigger',
)

/** True for a tool whose name says that every call makes something more. */
export const isHappening = (tool: ListedTool): boolean => HAPPENING.has(verbOf(tool.name)?.verb ?? '')

/** Arguments that a model is asked to make a key for. */
const KEY_ARGUMENT =
  /^(?:idempot[a-z]*[_-]?(?:key|id|token)|(?:client[_-]?)?request[_-]?(?:id|token|key)|client[_-]?token|dedup[a-z]*[_-]?(?:key|id|token)|transaction[_-]?key|nonce)$/i

export const keyArgumentOf = (tool: ListedTool): string | undefined =>
  Object.keys(tool.inputSchema?.properties ?? {}).find((name) => KEY_ARGUMENT.test(name))

const IDENTIFYING = words(
  'id ids ref reference key number path uri url to recipient recipients email channel name title subject slug sku cart order invoice account user customer entities source destination file parent',
)
const FREE_TEXT = words(
  'body text message content note notes reason comment description summary html markdown caption details',
)

const isFreeText = (name: string): boolean => wordsOf(name).some((word) => FREE_TEXT.has(word))

/** Arguments that seem to say which thing is meant: named like an identifier, and required where anything is. */
export function identifyingArguments(tool: ListedTool): readonly string[] {
  const names = Object.keys(tool.inputSchema?.properties ?? {}).filter(isPath)
  // A schema is whatever its server says: one that is no list requires nothing.
  const listed: unknown = tool.inputSchema?.required
  const required = Array.isArray(listed) ? (listed as readonly unknown[]) : []
  const key = keyArgumentOf(tool)
  const candidates = names.filter(
    (name) => name !== key && !isFreeText(name) && wordsOf(name).some((word) => IDENTIFYING.has(word)),
  )
  const needed = candidates.filter((name) => required.includes(name))
  return needed.length > 0 ? needed : candidates
}

/** Arguments that a repeat may word differently. */
export const freeTextArguments = (tool: ListedTool): readonly string[] =>
  Object.keys(tool.inputSchema?.properties ?? {}).filter((name) => isPath(name) && isFreeText(name))

/** A name with a dot in it cannot be named by a dotted path. */
const isPath = (name: string): boolean => name !== '' && !name.includes('.')
