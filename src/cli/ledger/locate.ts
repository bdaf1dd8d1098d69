import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import {
  loadConfig,
  parseStoreUrl,
  stateFolder,
  withoutPassword,
  type Config,
  type StoreChoice,
} from '../../config/index.ts'
import { parseDuration } from '../../contract/index.ts'
import { DEFAULTS } from '../../engine/index.ts'
import { OnefoldError } from '../../error/index.ts'
import { isUnusedLedger } from '../../store/sqlite/index.ts'
import { plain } from '../output.ts'

/** The flags that say which ledger. */
export interface WhereOptions {
  readonly config?: string
  readonly store?: string
  readonly tenant?: string
}

/** A ledger that was named or found; not opened, and it may not be there. */
export interface Where {
  readonly choice: Exclude<StoreChoice, { kind: 'memory' }>
  /** As `--store` takes it, without a password. */
  readonly url: string
  readonly tenant: string
  /** The configuration file that was read. */
  readonly config: string | undefined
  /** Q, as configured. */
  readonly quarantineMs: number
  /** The flags that were given, for commands that are proposed: empty, or with a space before it. */
  readonly flags: string
  /** True when the user named it, so that its absence is remarkable. */
  readonly named: boolean
}

const CONFIG_NAME = 'onefold.yaml'

/** The configuration of `--config`, else of `onefold.yaml` in the working directory. @throws OnefoldError CONFIG_INVALID */
export function configOf({ config }: WhereOptions, reading?: { readonly secrets?: boolean }): Config | undefined {
  if (config !== undefined) return loadConfig(config, reading)
  return existsSync(CONFIG_NAME) ? loadConfig(CONFIG_NAME, reading) : undefined
}

/** The ledger that flags or configuration name; undefined when neither does. */
export function choiceOf({ store }: WhereOptions, config: Config | undefined): StoreChoice | undefined {
  return store === undefined ? config?.store : parseStoreUrl(store, process.cwd())
}

/**
 * The ledger to look into: that of `--store`, else the configuration's, else `.onefold/ledger.db` of this project, else
 * the only one in the user's state folder (where `onefold mcp` puts them) that anything was recorded in.
 * @throws OnefoldError CONFIG_INVALID, also when several could be meant
 */
export function locate(options: WhereOptions, reading?: { readonly secrets?: boolean }): Where {
  const config = configOf(options, reading)
  const choice = choiceOf(options, config)
  if (choice?.kind === 'memory') {
    throw new OnefoldError(
      'CONFIG_INVALID',
      'A ledger in memory lives in its own process only; there is nothing to look into.',
    )
  }
  const found = choice ?? ({ kind: 'sqlite', path: defaultPath() } as const)
  const { quarantine } = config?.timing ?? {}
  return {
    choice: found,
    url: urlOf(found),
    tenant: options.tenant ?? config?.tenant ?? 'default',
    config: config?.file,
    quarantineMs: quarantine === undefined ? DEFAULTS.quarantineMs : parseDuration(quarantine, 'quarantine'),
    flags: flagsOf(options),
    named: choice !== undefined,
  }
}

/**
 * Says that the ledger's file is not there, or is empty, which SQLite would make a ledger of; undefined when it is there.
 * A server says so itself when it is opened.
 */
export function missingLedger({ choice }: Where): string | undefined {
  if (choice.kind !== 'sqlite') return undefined
  const file = statSync(choice.path, { throwIfNoEntry: false })
  if (file === undefined) return `there is no ledger at ${choice.path}`
  return file.size === 0 ? `there is no ledger at ${choice.path}, the file is empty` : undefined
}

function defaultPath(): string {
  const own = join(projectFolder(process.cwd()), '.onefold', 'ledger.db')
  if (existsSync(own)) return own
  const all = userLedgers()
  const used = all.length > 1 ? all.filter((path) => !isUnusedLedger(path)) : all
  const found = used.length > 0 ? used : all
  if (found.length > 1) {
    throw new OnefoldError(
      'CONFIG_INVALID',
      `Several ledgers could be meant. Name one:\n${found.map((path) => `  --store sqlite:${plain(path)}`).join('\n')}`,
      { details: { ledgers: found } },
    )
  }
  return found[0] ?? own
}

/** Ledgers in the user's state folder, by name. */
function userLedgers(): readonly string[] {
  try {
    const folder = stateFolder()
    return readdirSync(folder)
      .filter((name) => name.endsWith('.db'))
      .toSorted()
      .map((name) => join(folder, name))
  } catch {
    return []
  }
}

/** The folder of the nearest package.json: where `onefold()` without a store puts `.onefold/`. */
function projectFolder(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
    if (dirname(folder) === folder) return from
  }
}

/** The flag by which a command finds this ledger from any folder. A proxy's lines are read anywhere. */
export const flagsTo = (choice: StoreChoice): string =>
  choice.kind === 'memory' ? '' : flagsOf({ store: urlOf(choice) })

function urlOf(choice: Where['choice']): string {
  return choice.kind === 'sqlite' ? `sqlite:${choice.path}` : withoutPassword(choice.url)
}

function flagsOf({ config, store }: WhereOptions): string {
  const flags = [
    ...(config === undefined ? [] : ['--config', resolve(config)]),
    ...(store === undefined ? [] : ['--store', withoutPassword(store)]),
  ]
  return flags
    .map((flag) => ` ${/^[\w./:=@-]+$/.test(flag) ? flag : `'${flag.replaceAll("'", String.raw`'\''`)}'`}`)
    .join('')
}
