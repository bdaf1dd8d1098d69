import { globSync, readFileSync } from 'node:fs'
import { join, posix, sep } from 'node:path'
import { parseSync, visitorKeys, type EcmaScriptModule } from 'oxc-parser'

/** One room of src/ and its allowances. */
export interface Room {
  /** Folder under src/; `x/*` for each folder in x/; `.` for the files directly in src/. */
  readonly room: string
  readonly layer: number
  /** Rooms of the same layer that it may import. @default [] */
  readonly also?: readonly string[]
  /** The file by which others enter. @default 'index.ts' */
  readonly entry?: string
  readonly node: readonly string[] | '*'
  readonly packages: readonly string[]
  /** Time, randomness, environment and console come in by option. @default false */
  readonly pure?: boolean
  /** The files that load a module which a user names. @default [] */
  readonly loads?: readonly string[]
  /** @default 400 */
  readonly maxLines?: number
}

/** A file that may be longer than its room allows. */
export interface Exception {
  readonly file: string
  readonly maxLines: number
  readonly reason: string
}

export type Rule =
  | 'layer'
  | 'entry'
  | 'star'
  | 'package'
  | 'node'
  | 'computed'
  | 'global'
  | 'lines'
  | 'unknown-room'
  | 'missing'
  | 'syntax'
  | 'stale-exception'

export interface Violation {
  readonly rule: Rule
  /** Path from the root, with slashes. */
  readonly file: string
  readonly line: number
  readonly message: string
}

/** As it is printed. */
export const show = ({ file, line, rule, message }: Violation): string => `${file}:${line}  ${rule}  ${message}`

interface Import {
  /** Undefined for an import whose name is computed at run time. */
  readonly from: string | undefined
  readonly offset: number
  readonly typeOnly: boolean
  readonly star: boolean
  readonly names: readonly string[]
}

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

const TEST_FILE = /\.(test|test-d|bench)\.ts$/

/** Every breach of the rooms' rules under `root`/src, in the order of files and lines. */
export function checkRooms(
  root: string,
  rooms: readonly Room[],
  options: { readonly rootFiles: readonly string[]; readonly exceptions: readonly Exception[] },
): readonly Violation[] {
  const files = globSync('src/**/*.{ts,tsx,js,mjs}', { cwd: root })
    .map((file) => file.split(sep).join('/'))
    .toSorted()
  const violations = files.flatMap((file) => checkFile(root, file, rooms, files, options))
  for (const { file } of options.exceptions) {
    if (!files.includes(file)) {
      violations.push({ rule: 'stale-exception', file, line: 1, message: 'is excepted from the line limit but gone' })
    }
  }
  return violations
}

function checkFile(
  root: string,
  file: string,
  rooms: readonly Room[],
  files: readonly string[],
  options: { readonly rootFiles: readonly string[]; readonly exceptions: readonly Exception[] },
): Violation[] {
  const text = readFileSync(join(root, file), 'utf8')
  const found: Violation[] = []
  const lineAt = (offset: number): number => text.slice(0, offset).split('\n').length
  const report = (rule: Rule, offset: number, message: string): void => {
    found.push({ rule, file, line: lineAt(offset), message })
  }
  const isTest = TEST_FILE.test(file)
  const name = roomOf(file, rooms)
  const room = name === undefined ? undefined : settings(name, rooms)
  if (
    name === undefined ||
    room === undefined ||
    (name === '.' && !isTest && !options.rootFiles.includes(file.slice(4)))
  ) {
    report('unknown-room', 0, 'belongs to no room of the ROOMS table (scripts/rooms.ts)')
    return found
  }
  if (!isTest) {
    const entry = `${folderOf(name)}/${room.entry ?? 'index.ts'}`
    const first = files.find((other) => roomOf(other, rooms) === name && !TEST_FILE.test(other))
    if (file === first && !files.includes(entry)) report('missing', 0, `room ${name} has no ${entry}`)
    const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
    const allowed = options.exceptions.find((exception) => exception.file === file)?.maxLines ?? room.maxLines ?? 400
    if (lines > allowed) report('lines', 0, `${lines} lines, at most ${allowed}`)
  }
  const parsed = parseSync(file, text)
  for (const error of parsed.errors) report('syntax', error.labels[0]?.start ?? 0, error.message)
  const program = parsed.program as unknown as Node
  for (const one of [...importsOf(parsed.module, text), ...importTypesOf(program)]) {
    checkImport(one, { file, name, room, rooms, isTest, report })
  }
  if (room.pure === true && !isTest) {
    for (const { offset, what } of bannedIn(program)) {
      report('global', offset, `${what}: clock, ids, randomness and environment come in by option`)
    }
  }
  return found.toSorted((a, b) => a.line - b.line)
}

function checkImport(
  one: Import,
  at: {
    readonly file: string
    readonly name: string
    readonly room: Room
    readonly rooms: readonly Room[]
    readonly isTest: boolean
    readonly report: (rule: Rule, offset: number, message: string) => void
  },
): void {
  const { file, name, room, rooms, isTest, report } = at
  const { from, offset } = one
  if (from === undefined) {
    if (!isTest && room.loads?.includes(file) !== true)
      report('computed', offset, 'imports a name that is computed at run time')
    return
  }
  if (!from.startsWith('.')) {
    if (isTest) return
    if (from.startsWith('node:')) {
      if (room.node !== '*' && !room.node.includes(from)) report('node', offset, `${name} may not import ${from}`)
      if (room.pure === true && from === 'node:crypto') {
        for (const random of one.names.filter((it) => /^(random|getRandom|webcrypto|default$|\*$)/.test(it))) {
          report('global', offset, `${random} of node:crypto: randomness comes in by option`)
        }
      }
    } else if (!room.packages.includes(packageOf(from))) {
      report('package', offset, `${name} may not import ${packageOf(from)}`)
    }
    return
  }
  const target = posix.join(posix.dirname(file), from)
  const other = target.startsWith('src/') ? roomOf(target, rooms) : undefined
  if (other === undefined) {
    if (!isTest) report('layer', offset, `${from} lies outside every room`)
    return
  }
  if (other === name) return
  const there = settings(other, rooms)
  if (there === undefined) return
  if (!isTest) {
    const allowed = there.layer < room.layer || (there.layer === room.layer && room.also?.includes(other) === true)
    if (!allowed) {
      report('layer', offset, `${name} (layer ${room.layer}) may not import ${other} (layer ${there.layer})`)
    }
    if (one.star) report('star', offset, `export * from ${other}: name what is exported`)
  }
  const entry = `${folderOf(other)}/${there.entry ?? 'index.ts'}`
  if (target !== entry) report('entry', offset, `enter ${other} by ${entry}, not by ${target}`)
}

const folderOf = (name: string): string => (name === '.' ? 'src' : `src/${name}`)

/** The room a file stands in: `store/sqlite` for `src/store/sqlite/wire.ts`. */
function roomOf(file: string, rooms: readonly Room[]): string | undefined {
  const parts = file.split('/').slice(1, -1)
  if (parts.length === 0) return rooms.some(({ room }) => room === '.') ? '.' : undefined
  const two = parts.slice(0, 2).join('/')
  if (parts.length >= 2 && settings(two, rooms) !== undefined) return two
  const one = parts[0] ?? ''
  return rooms.some(({ room }) => room === one) ? one : undefined
}

function settings(name: string, rooms: readonly Room[]): Room | undefined {
  const parent = name.includes('/') ? `${name.split('/')[0]}/*` : undefined
  return rooms.find(({ room }) => room === name) ?? rooms.find(({ room }) => room === parent)
}

const packageOf = (from: string): string =>
  from
    .split('/')
    .slice(0, from.startsWith('@') ? 2 : 1)
    .join('/')

function importsOf(module: EcmaScriptModule, text: string): readonly Import[] {
  const statics = module.staticImports.map((one) => ({
    from: one.moduleRequest.value,
    offset: one.start,
    typeOnly: one.entries.length > 0 && one.entries.every(({ isType }) => isType),
    star: false,
    names: one.entries.map(
      ({ importName }) => importName.name ?? (String(importName.kind) === 'Default' ? 'default' : '*'),
    ),
  }))
  const exports = module.staticExports.flatMap((one) =>
    one.entries.flatMap((entry) =>
      entry.moduleRequest === null
        ? []
        : [
            {
              from: entry.moduleRequest.value,
              offset: one.start,
              typeOnly: entry.isType,
              star: String(entry.importName.kind) === 'AllButDefault',
              names: [entry.importName.name ?? '*'],
            },
          ],
    ),
  )
  const dynamics = module.dynamicImports.map((one) => {
    const literal = /^(['"`])([^'"`$]*)\1$/.exec(text.slice(one.moduleRequest.start, one.moduleRequest.end))
    return { from: literal?.[2], offset: one.start, typeOnly: false, star: false, names: ['*'] }
  })
  return [...statics, ...exports, ...dynamics]
}

/** `import('x').Y` in a type, and `export {} from` have no place in the module record's static imports. */
function importTypesOf(program: Node): readonly Import[] {
  const found: Import[] = []
  walk(program, undefined, (node) => {
    if (node.type !== 'TSImportType') return true
    const source = (node['source'] ?? node['argument']) as Node | undefined
    const literal = source?.['value'] ?? (source?.['literal'] as Node | undefined)?.['value']
    found.push({
      from: typeof literal === 'string' ? literal : undefined,
      offset: node.start,
      typeOnly: true,
      star: false,
      names: [],
    })
    return true
  })
  return found
}

const BANNED: ReadonlySet<string> = new Set([
  'Date',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'process',
  'console',
  'performance',
  'fetch',
  'Temporal',
  'globalThis',
  'global',
  'require',
])

/** Members of otherwise harmless globals. */
const BANNED_MEMBERS: readonly (readonly [object: string, member: RegExp])[] = [
  ['Math', /^random$/],
  ['crypto', /^(random|getRandom)/],
  ['AbortSignal', /^timeout$/],
  ['Atomics', /^wait/],
]

/**
 * Uses of banned globals as values. A type name, a property and a member access are none;
 * `instanceof Date` and `new Date(milliseconds)` read no clock and are none either.
 */
function bannedIn(program: Node): readonly { readonly offset: number; readonly what: string }[] {
  const found: { offset: number; what: string }[] = []
  walk(program, undefined, (node, parent) => {
    if (node.type.startsWith('TS') && !TYPED_EXPRESSIONS.has(node.type)) return false
    if (node.type === 'MemberExpression') {
      const object = node['object'] as Node
      const property = node['property'] as Node
      const member = node['computed'] === true ? property['value'] : property['name']
      for (const [banned, members] of BANNED_MEMBERS) {
        if (object['name'] !== banned || typeof member !== 'string' || !members.test(member)) continue
        found.push({ offset: node.start, what: `${banned}.${member}` })
      }
    }
    if (node.type === 'Identifier' && BANNED.has(String(node['name'])) && isValue(node, parent)) {
      if (node['name'] !== 'Date' || !isTimeless(node, parent))
        found.push({ offset: node.start, what: String(node['name']) })
    }
    return true
  })
  return found
}

/** Expressions with a type beside them; every other TypeScript node is erased. */
const TYPED_EXPRESSIONS: ReadonlySet<string> = new Set([
  'TSAsExpression',
  'TSSatisfiesExpression',
  'TSNonNullExpression',
  'TSInstantiationExpression',
  'TSTypeAssertion',
])

function isValue(node: Node, parent: Node | undefined): boolean {
  if (parent === undefined) return true
  const named = parent['computed'] !== true
  switch (parent.type) {
    case 'MemberExpression':
      return !(named && parent['property'] === node)
    case 'Property':
      return !(named && parent['key'] === node && parent['value'] !== node)
    case 'MethodDefinition':
    case 'PropertyDefinition':
    case 'AccessorProperty':
      return !(named && parent['key'] === node)
    case 'ImportSpecifier':
      return parent['local'] === node
    case 'ExportSpecifier':
      return false
    default:
      return true
  }
}

function isTimeless(node: Node, parent: Node | undefined): boolean {
  if (parent?.type === 'BinaryExpression') return parent['operator'] === 'instanceof' && parent['right'] === node
  if (parent?.type !== 'NewExpression' || parent['callee'] !== node) return false
  return (parent['arguments'] as readonly unknown[]).length > 0
}

/** Depth first; `enter` answers whether to go into the node. */
function walk(node: Node, parent: Node | undefined, enter: (node: Node, parent: Node | undefined) => boolean): void {
  if (!enter(node, parent)) return
  for (const key of visitorKeys[node.type] ?? []) {
    const child = node[key]
    for (const one of Array.isArray(child) ? child : [child]) {
      if (one !== null && typeof one === 'object') walk(one as Node, node, enter)
    }
  }
}
