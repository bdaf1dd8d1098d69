import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
  type YAMLError,
} from 'yaml'
import { parseDuration, type Duration } from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'
import { nearest } from '../contract/index.ts'

/** A value of the file, with its place and the words that lead to it. */
export interface Value {
  readonly node: Node | null
  /** As `mcp.tools.send_message.recovery`. */
  readonly path: string
  /** Offset in the text, also where the value itself is missing. */
  readonly offset: number
}

/** Reads a YAML text strictly: whatever is not understood is an error that names its line. */
export interface Reader {
  readonly root: Value
  /** Entries of a map in the file's order. @throws for anything else */
  readonly entries: (value: Value) => ReadonlyMap<string, Value>
  /** The same, for a map whose words are all known. @throws for an unknown word, with the nearest valid one */
  readonly known: <Word extends string>(value: Value, words: readonly Word[]) => { readonly [W in Word]?: Value }
  readonly list: (value: Value) => readonly Value[]
  readonly text: (value: Value) => string
  readonly texts: (value: Value) => readonly string[]
  readonly wholeNumber: (value: Value, least: number) => number
  readonly choice: <Word extends string>(value: Value, words: readonly Word[]) => Word
  readonly duration: (value: Value) => Duration
  readonly isText: (value: Value) => boolean
  readonly isMap: (value: Value) => boolean
  readonly isList: (value: Value) => boolean
  /** Text, numbers, lists and maps as they are, for what is handed on. */
  readonly plain: (value: Value) => unknown
  readonly fail: (value: Value, problem: string, fix: string) => never
}

/** @throws OnefoldError CONFIG_INVALID for a text that is no YAML, or uses a key twice */
export function readYaml(text: string, file: string): Reader {
  const counter = new LineCounter()
  const document = parseDocument(text, {
    lineCounter: counter,
    prettyErrors: false,
    uniqueKeys: true,
    stringKeys: true,
    merge: false,
  })
  const at = (offset: number): { readonly line: number; readonly column: number } => {
    const { line, col } = counter.linePos(offset)
    return { line, column: col }
  }
  const refuse = (offset: number, path: string, problem: string, fix: string): never => {
    const { line, column } = at(offset)
    throw new OnefoldError(
      'CONFIG_INVALID',
      `${file}:${line}:${column}: ${problem}. ${fix}${fix.endsWith('?') ? '' : '.'} Nothing was started.`,
      {
        details: { file, line, column, path, problem },
      },
    )
  }
  const [broken] = [...document.errors, ...document.warnings]
  if (broken !== undefined) {
    const [what, fix] = told(broken)
    refuse(broken.pos[0], '$', what, fix)
  }
  const fail = (value: Value, problem: string, fix: string): never =>
    refuse(value.offset, value.path, `${value.path} ${problem}`, fix)
  checkAliases(document, (offset, problem) => refuse(offset, '$', problem, 'Write it out'))
  return readerOf(document, fail)
}

/** Aliases may be followed after this: none leads into itself, and together they stay small. */
function checkAliases(document: Document, refuse: (offset: number, problem: string) => void): void {
  let last = 0
  visit(document, {
    Alias(_key, alias, path) {
      last = alias.range?.[0] ?? last
      const source = alias.resolve(document)
      if (source !== undefined && path.includes(source)) refuse(last, `*${alias.source} stands within itself`)
    },
  })
  try {
    document.toJS({ maxAliasCount: MOST_ALIASES })
  } catch (error) {
    // What is an alias of nothing is told where it is read.
    if (error instanceof ReferenceError && error.message.includes('alias count'))
      refuse(last, 'aliases of aliases come to too much')
  }
}

const MOST_ALIASES = 100

/** What is wrong with a text that is no YAML, and what mostly helps. */
function told({ code, message }: YAMLError): readonly [string, string] {
  if (code === 'DUPLICATE_KEY') return ['this key stands twice in one map', 'Keep one of them']
  const what = `this is not YAML: ${message.replace(/\.$/, '').replaceAll('\n', ' ')}`
  // `store: memory:` reads as two keys.
  return [
    what,
    code === 'BLOCK_AS_IMPLICIT_KEY'
      ? "Put a value with a colon at its end in quotes, as 'memory:'"
      : 'Correct the line',
  ]
}

function readerOf(document: Document, fail: Reader['fail']): Reader {
  const below = (parent: Value, name: string | number, node: unknown, offset: number): Value => ({
    node: (node ?? null) as Node | null,
    path: parent.path === '' ? String(name) : `${parent.path}.${name}`,
    offset,
  })
  const resolved = (value: Value): Node | null => {
    const { node } = value
    if (!isAlias(node)) return node
    return node.resolve(document) ?? fail(value, 'is an alias of nothing', 'Name an anchor of this file')
  }
  const scalar = (value: Value): unknown => {
    const node = resolved(value)
    return isScalar(node) ? node.value : undefined
  }

  function entries(value: Value): ReadonlyMap<string, Value> {
    const node = resolved(value)
    if (node === null || (isScalar(node) && node.value === null)) return new Map()
    if (!isMap(node)) return fail(value, 'must be a map', 'Write it as `name: value` lines')
    const found = new Map<string, Value>()
    for (const { key, value: inner } of node.items) {
      const name = isScalar(key) ? String(key.value) : ''
      const offset = (isScalar(key) ? key.range?.[0] : undefined) ?? value.offset
      // Merge keys left YAML with version 1.2; taken for a name, what is behind them would silently not hold.
      if (name === '<<') return fail({ ...value, offset }, 'has a merge key, which is not filled in', 'Write it out')
      found.set(name, below(value, name, inner, offset))
    }
    return found
  }

  function text(value: Value): string {
    const found = scalar(value)
    if (typeof found === 'string' && found !== '') return found
    return fail(value, 'must be text', typeof found === 'number' ? 'Put it in quotes' : 'Write a word')
  }

  function list(value: Value): readonly Value[] {
    const node = resolved(value)
    if (!isSeq(node)) return fail(value, 'must be a list', 'Write [a, b]')
    return node.items.map((item, index) => below(value, index, item, (item as Node | null)?.range?.[0] ?? value.offset))
  }

  return {
    root: { node: document.contents as Node | null, path: '', offset: document.contents?.range?.[0] ?? 0 },
    entries,
    known(value, words) {
      const found = entries(value)
      for (const [name, inner] of found) {
        if ((words as readonly string[]).includes(name)) continue
        const meant = nearest(name, words)
        const where = value.path === '' ? 'the file' : value.path
        fail(
          { ...inner, path: where },
          `has no key ${JSON.stringify(name)}`,
          meant === undefined ? `It has ${words.join(', ')}` : `Did you mean ${meant}?`,
        )
      }
      return Object.fromEntries(found) as never
    },
    list,
    text,
    texts: (value) => list(value).map(text),
    wholeNumber(value, least) {
      const found = scalar(value)
      if (typeof found === 'number' && Number.isSafeInteger(found) && found >= least) return found
      return fail(value, `must be a whole number from ${least}`, `Write ${least} or more`)
    },
    choice(value, words) {
      const found = scalar(value)
      const word = words.find((candidate) => candidate === found)
      if (word !== undefined) return word
      const meant = typeof found === 'string' ? nearest(found, words) : undefined
      const shown = typeof found === 'string' ? `cannot be ${JSON.stringify(found)}` : 'must be a word'
      return fail(value, shown, meant === undefined ? `Write ${words.join(' or ')}` : `Did you mean ${meant}?`)
    },
    duration(value) {
      const found = scalar(value)
      try {
        parseDuration(found as string, value.path)
        return found as Duration
      } catch (error) {
        const message = error instanceof Error ? error.message : ''
        return fail(
          value,
          'is no duration',
          message.slice(message.indexOf(': ') + 2).replace(/\. Nothing was registered\.$/, ''),
        )
      }
    },
    isText: (value) => typeof scalar(value) === 'string',
    isMap: (value) => isMap(resolved(value)),
    isList: (value) => isSeq(resolved(value)),
    plain(value) {
      const node = resolved(value)
      return node === null ? null : (node.toJS(document, { maxAliasCount: MOST_ALIASES }) as unknown)
    },
    fail,
  }
}
