import { CONTRACT } from '../proxy/listed-contracts.ts'
import type { ListedField, ListedSchema, ListedTool } from './list-tools.ts'

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

/**
 * Words that are no noun and no reading in a tool's name, so that they can contradict what its server says. “open” opens
 * a file to read it, “order” begins order_history, “run” runs a query: of those nothing is said.
 */
export const CHANGING: ReadonlySet<string> = words('delete send publish pay refund upload revoke deploy')

/** Whether a tool seems to change something. */
export function guessOf(tool: ListedTool): Guess {
  const declared = contractOf(tool)
  if (declared?.effect === 'read' || declared?.effect === 'write')
    return { effect: declared.effect, why: `its contract says ${declared.effect}` }
  const verb = verbOf(tool.name)
  const hint = tool.annotations?.readOnlyHint
  if (verb?.effect === 'write' && (hint !== true || CHANGING.has(verb.verb)))
    return { effect: 'write', why: `its name says “${verb.verb}”` }
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

/** An argument as its tool's schema has it. */
export interface ListedArgument {
  /** As a contract names it. */
  readonly path: string
  readonly name: string
  readonly field: ListedField | null | undefined
  readonly required: boolean
}

const MOST_WRAPPERS = 3

/** The arguments of a tool. Where all of them lie in one object, as a framework's typed parameter has them, its members. */
export function argumentsOf(tool: ListedTool): readonly ListedArgument[] {
  let schema: ListedSchema | undefined = tool.inputSchema
  let prefix = ''
  for (let depth = 0; depth < MOST_WRAPPERS; depth += 1) {
    const [first, ...more] = entriesOf(schema)
    const inner = first === undefined || more.length > 0 || !isPath(first[0]) ? undefined : membersOf(tool, first[1])
    if (first === undefined || entriesOf(inner).length === 0) break
    prefix += `${first[0]}.`
    schema = inner
  }
  // A schema is whatever its server says: one that is no list requires nothing.
  const listed: unknown = schema?.required
  const required = Array.isArray(listed) ? (listed as readonly unknown[]) : []
  return entriesOf(schema).map(([name, field]) => ({
    path: `${prefix}${name}`,
    name,
    field,
    required: required.includes(name),
  }))
}

const entriesOf = (schema: ListedSchema | undefined): readonly (readonly [string, ListedField | null | undefined])[] =>
  Object.entries(schema?.properties ?? {})

/** The schema of an argument that is an object; also where it stands among the definitions of its tool's schema. */
function membersOf({ inputSchema }: ListedTool, field: ListedField | null | undefined): ListedSchema | undefined {
  const $ref = field?.$ref
  const [, group, name] = (typeof $ref === 'string' ? /^#\/(\$defs|definitions)\/([^/]+)$/.exec($ref) : null) ?? []
  const found = name === undefined ? field : inputSchema?.[group as '$defs' | 'definitions']?.[name]
  return typeof found?.properties === 'object' ? found : undefined
}

/** Arguments that are a key for one call, whatever tool takes them. */
const KEY_ARGUMENT =
  /^(?:x[_-])?(?:idempot[a-z]*(?:[_-]?(?:key|id|token))?|client[_-]?(?:request[_-]?(?:id|token|key)|token)|(?:message[_-]?)?dedup[a-z]*[_-]?(?:key|id|token))$/i

/** Arguments that may as well name what the call is about, such as a request that is approved: what they are is in their description. */
const AMBIGUOUS_KEY = /^(?:(?:request|transaction)[_-]?(?:id|token|key|uuid)|nonce)$/i
const SAYS_KEY = /\b(?:idempot\w*|de-?dup\w*|duplicates?|retr(?:y|ies|ied))\b/i

/** The argument that a model is asked to make a key for. What is taken for one by mistake no longer tells two calls apart. */
export function keyArgumentOf(tool: ListedTool): string | undefined {
  const found = argumentsOf(tool)
  const within = found.flatMap(({ path, field }) =>
    entriesOf(membersOf(tool, field)).map(([name, inner]) => ({ path: `${path}.${name}`, name, field: inner })),
  )
  return [...found, ...within].find(({ name, field }) => isKey(name, field))?.path
}

function isKey(name: string, field: ListedField | null | undefined): boolean {
  if (field?.type === 'integer' || field?.type === 'number') return false
  if (KEY_ARGUMENT.test(name)) return true
  // A schema is whatever its server says.
  const { description }: { readonly description?: unknown } = field ?? {}
  return (
    AMBIGUOUS_KEY.test(name) &&
    typeof description === 'string' &&
    (SAYS_KEY.test(description) || asksAfresh(description) !== undefined)
  )
}

/** A time at which a call is made; the calls of a telephone and entries of a time sheet have their own ids. */
const AGAIN = String.raw`\b(?:each|every|per|any|all|across|between|for (?:this|the same)) (?:(?:new|single|separate|individual|api|tool|http|retry|such) )?(?:requests?|calls?|attempts?|retry|retries|invocations?|executions?|submissions?|time(?! ?(?:zone|entr|slot|range|series|stamp)))\b`
const ASKED_AGAIN = new RegExp(AGAIN, 'i')
const NEW = /\b(?:new|fresh|unique|random|different|generate[ds]?|uuid\w*|guid)\b/i
const KEPT = /\b(?:same|not|never|reuse[sd]?|return(?:s|ed)?)\b|n[’']t\b/i
const NOT_REUSED = /\b(?:not|never|cannot|n[’']t)(?: be)? re-?used?\b/gi

/** The sentence that asks for something new at every attempt. One that says that it stays the same, or what is answered, asks for nothing. */
export function asksAfresh(text: string): string | undefined {
  return text.split(/[.!\n]+/).find((sentence) => {
    const said = sentence.replaceAll(NOT_REUSED, 'new')
    return NEW.test(said) && ASKED_AGAIN.test(said) && !KEPT.test(said)
  })
}

const IDENTIFYING = words(
  'id ids ref reference key number path uri url to recipient recipients email channel name title subject slug sku cart order invoice account user customer entities source destination file parent',
)
const FREE_TEXT = words(
  'body text message content note notes reason comment description summary html markdown caption details',
)

const isFreeText = (name: string): boolean => wordsOf(name).some((word) => FREE_TEXT.has(word))

/** Arguments that seem to say which thing is meant: named like an identifier, and required where anything is. */
export function identifyingArguments(tool: ListedTool): readonly string[] {
  const key = keyArgumentOf(tool)
  const candidates = argumentsOf(tool).filter(
    ({ path, name }) =>
      isPath(name) && path !== key && !isFreeText(name) && wordsOf(name).some((word) => IDENTIFYING.has(word)),
  )
  const needed = candidates.filter(({ required }) => required)
  return (needed.length > 0 ? needed : candidates).map(({ path }) => path)
}

/** Arguments that a repeat may word differently. */
export const freeTextArguments = (tool: ListedTool): readonly string[] =>
  argumentsOf(tool).flatMap(({ path, name }) => (isPath(name) && isFreeText(name) ? [path] : []))

/** A name with a dot in it cannot be named by a dotted path. */
const isPath = (name: string): boolean => name !== '' && !name.includes('.')
