import { isAbsolute, join, resolve } from 'node:path'
import type { Store } from '../engine/index.ts'
import { OnefoldError } from '../error/index.ts'
import { nearest } from '../contract/index.ts'
import type { RemoteKind, RemoteStore } from './remote-store.ts'
import { REMOTE_KINDS } from './remote-stores.ts'
import { stateFolder } from './state-folder.ts'

/** Where the ledger is. */
export type StoreChoice =
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'memory' }
  /** On a server; `url` may hold a password. */
  | { readonly kind: 'remote'; readonly name: string; readonly url: string }

/**
 * Reads `sqlite:PATH` (relative to `folder`), the URL of a server (`postgres://…`), `memory:` or `memory`, which needs no
 * quotes in YAML.
 * @throws OnefoldError CONFIG_INVALID, with the nearest valid form
 */
export function parseStoreUrl(url: string, folder: string): StoreChoice {
  if (url.toLowerCase() === 'memory') return { kind: 'memory' }
  // Taken as written, it would be a folder of that name in whatever directory this runs: a new ledger in each.
  if (/\$\{|^sqlite:~(?:[\\/]|$)/i.test(url))
    throw invalid(
      url,
      'neither ~ nor a variable is filled in here; write out what it stands for, or give --store from a shell',
    )
  const colon = url.indexOf(':')
  const scheme = colon === -1 ? '' : url.slice(0, colon).toLowerCase()
  const rest = url.slice(colon + 1)
  if (scheme === 'memory') {
    if (rest === '') return { kind: 'memory' }
    throw invalid(url, 'memory: takes nothing behind it')
  }
  if (scheme === 'sqlite') {
    const path = rest.startsWith('///') ? rest.slice(2) : rest
    if (path === '' || path.startsWith('//'))
      throw invalid(url, 'write sqlite:./ledger.db or sqlite:/var/lib/ledger.db')
    return { kind: 'sqlite', path: isAbsolute(path) ? path : resolve(folder, path) }
  }
  const remote = REMOTE_KINDS.find(({ schemes }) => schemes.includes(scheme))
  if (remote !== undefined) {
    const problem = remote.check(url)
    if (problem !== undefined) throw invalid(url, problem)
    return { kind: 'remote', name: remote.name, url }
  }
  const meant = nearest(scheme, ['sqlite', 'memory', ...REMOTE_KINDS.flatMap(({ schemes }) => schemes)])
  if (meant !== undefined) throw invalid(url, `did you mean ${meant}:${withoutPassword(rest)}?`)
  const remotes = REMOTE_KINDS.flatMap(({ schemes }) => schemes.slice(0, 1)).join(':, ')
  throw invalid(
    url,
    `write sqlite:${scheme === '' ? withoutPassword(url) : './ledger.db'}, one of ${remotes}: for a server, or memory: for a trial`,
  )
}

const invalid = (url: string, problem: string): OnefoldError =>
  new OnefoldError(
    'CONFIG_INVALID',
    `The store ${JSON.stringify(withoutPassword(url))} cannot be used: ${problem}${problem.endsWith('?') ? '' : '.'} Nothing was started.`,
    {
      details: { problem },
    },
  )

/** Query members that may hold a secret, by their names. */
const SECRET = /pass|pwd|secret|token|key|auth|credential/i

/**
 * For people: a URL without what is secret in it. A password that was not escaped may itself hold `@` or `/`, and one
 * that was mistyped may have no `//` before it.
 */
export function withoutPassword(url: string): string {
  const to = url.lastIndexOf('@')
  const from = behindScheme(url)
  const shown = to < from || isPath(url) ? url : `${url.slice(0, from)}…${url.slice(to)}`
  return withoutSecretQuery(shown).slice(0, 120)
}

/** The same for what stands behind the `?` alone. */
export const withoutSecretQuery = (url: string): string =>
  url.replaceAll(/([?&])([^=&#]*)=([^&#]*)/g, (whole, mark: string, name: string) =>
    SECRET.test(name) ? `${mark}${name}=…` : whole,
  )

/** Of a file's path nothing is secret, unless it was meant to be a server's address. */
const isPath = (url: string): boolean => /^sqlite:(?!\/\/|.*:\/\/)/i.test(url)

function behindScheme(url: string): number {
  const at = url.startsWith('//') ? 0 : url.indexOf(':') + 1
  return url.startsWith('//', at) ? at + 2 : at
}

/** A chosen store, and the folder where answers wait that it could not take. Nothing is opened yet. */
export interface ChosenStore {
  readonly store: Store
  readonly spool: string | undefined
  /** True for a store that forgets on exit. */
  readonly volatile: boolean
}

/**
 * Loads only the store that was chosen.
 * @param asItIs for who only looks: no ledger is made or migrated
 * @throws OnefoldError CONFIG_INVALID where its client is not installed
 */
export async function storeFrom(choice: StoreChoice, asItIs = false): Promise<ChosenStore> {
  if (choice.kind === 'memory') {
    const { memoryStore } = await import('../store/memory/index.ts')
    return { store: memoryStore(), spool: undefined, volatile: true }
  }
  if (choice.kind === 'remote') {
    const { store } = await openRemote(choice, asItIs)
    return { store, spool: spoolOf(choice.url), volatile: false }
  }
  const { sqliteStore } = await import('../store/sqlite/index.ts')
  // A program of ours has no other work that its event loop could be held up from.
  const store = sqliteStore({ path: choice.path, onCallersThread: true, asItIs })
  return { store, spool: `${choice.path}-spool`, volatile: false }
}

type Remote = Extract<StoreChoice, { kind: 'remote' }>

const kindOf = ({ name }: Remote): RemoteKind => REMOTE_KINDS.find((each) => each.name === name) as RemoteKind

export const openRemote = (choice: Remote, asItIs = false): Promise<RemoteStore> =>
  kindOf(choice).open(choice.url, process.cwd(), asItIs)

/** What migrating would make there, as JSON data; undefined where it can only be made. Reaches nobody. */
export const planOf = async (choice: Remote): Promise<object | undefined> => await kindOf(choice).plan?.(choice.url)

/** A folder of this machine, one for each ledger, whoever logs in to it and with whatever password. */
function spoolOf(url: string): string {
  const { protocol, host, pathname, searchParams } = new URL(url)
  const members = [...searchParams].filter(([name]) => !SECRET.test(name) && name !== 'user')
  const query = members.length === 0 ? '' : `?${new URLSearchParams(members).toString()}`
  const name = `${protocol}${host}${pathname}${query}`.replaceAll(/[^a-z0-9.-]+/gi, '-').slice(0, 120)
  return join(stateFolder(), `spool-${name}`)
}
