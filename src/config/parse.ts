import { dirname } from 'node:path'
import { parseDuration, type Duration } from '../contract/index.ts'
import { isOnefoldError } from '../error/index.ts'
import type { Config, McpConfig, TimingConfig } from './config.ts'
import { readHttp, readName } from './http-section.ts'
import { readMcpHttp } from './mcp-http-section.ts'
import { readYaml, type Reader, type Value } from './reader.ts'
import { parseStoreUrl, type StoreChoice } from './store-url.ts'
import { readTool } from './tool-section.ts'

const DEFAULT_QUARANTINE: Duration = '60s'
const MOST_TENANT = 128

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Checks the text of an `onefold.yaml`. Paths in it are relative to the file's own folder. Without an environment, secrets
 * that it names are left out.
 * @throws OnefoldError CONFIG_INVALID naming file, line and the nearest valid word
 */
export function parseConfig(text: string, file: string, env?: Environment): Config {
  const reader = readYaml(text, file)
  const words = reader.known(reader.root, ['store', 'tenant', 'keySecret', 'previousSecrets', 'timing', 'mcp', 'http'])
  const timing = readTiming(reader, words.timing)
  const quarantineMs = parseDuration(timing.quarantine ?? DEFAULT_QUARANTINE)
  return {
    file,
    store: words.store === undefined ? undefined : readStore(reader, words.store, dirname(file)),
    tenant: words.tenant === undefined ? undefined : readTenant(reader, words.tenant),
    keySecret: words.keySecret === undefined ? undefined : readSecret(reader, words.keySecret, env),
    previousSecrets: words.previousSecrets === undefined ? undefined : readPrevious(reader, words.previousSecrets, env),
    timing,
    mcp: readMcp(reader, words.mcp, quarantineMs),
    http: readHttp(reader, words.http, quarantineMs),
  }
}

/** What holds without a file. */
export const defaultConfig = (): Config => ({ ...parseConfig('', 'onefold.yaml'), file: undefined })

function readStore(reader: Reader, value: Value, folder: string): StoreChoice {
  try {
    return parseStoreUrl(reader.text(value), folder)
  } catch (error) {
    const problem = isOnefoldError(error) && error.details['line'] === undefined ? error.details['problem'] : undefined
    if (typeof problem !== 'string') throw error
    return reader.fail(value, 'cannot be used', problem)
  }
}

function readTenant(reader: Reader, value: Value): string {
  const tenant = reader.text(value)
  // Taken as written, the literal would be one tenant for everybody: the operations of one would be repeats of another's.
  if (/^\$\w|\$\{/.test(tenant))
    return reader.fail(
      value,
      `cannot be ${JSON.stringify(tenant)}: no variable is filled in here`,
      'Write the name, or give --tenant',
    )
  if (tenant.length <= MOST_TENANT) return tenant
  return reader.fail(value, 'is too long', `Write at most ${MOST_TENANT} characters`)
}

function readSecret(reader: Reader, value: Value, env: Environment | undefined): string | undefined {
  if (!reader.isMap(value))
    return reader.fail(
      value,
      'must name an environment variable, so that no secret stands in the file',
      'Write { env: ONEFOLD_KEY_SECRET }',
    )
  const { env: named } = reader.known(value, ['env'])
  if (named === undefined)
    return reader.fail(value, 'names no environment variable', 'Write { env: ONEFOLD_KEY_SECRET }')
  const name = reader.text(named)
  if (env === undefined) return undefined
  const secret = env[name]
  if (secret !== undefined && secret !== '') return secret
  return reader.fail(named, `names ${name}, which is not set`, 'Set it, the same wherever this ledger is used')
}

/** Without an environment they are left out as a whole: in a shorter list nobody could tell which one is missing. */
function readPrevious(
  reader: Reader,
  value: Value,
  env: Environment | undefined,
): readonly (string | null)[] | undefined {
  const found = reader
    .list(value)
    .map((each) => (reader.isText(each) && reader.text(each) === 'none' ? null : readSecret(reader, each, env)))
  return env === undefined ? undefined : (found as readonly (string | null)[])
}

function readTiming(reader: Reader, value: Value | undefined): TimingConfig {
  const words = value === undefined ? {} : reader.known(value, ['lease', 'quarantine', 'wait', 'timeout'])
  const duration = (found: Value | undefined): Duration | undefined =>
    found === undefined ? undefined : reader.duration(found)
  const timing = {
    lease: duration(words.lease),
    quarantine: duration(words.quarantine),
    wait: duration(words.wait),
    timeout: duration(words.timeout),
  }
  for (const word of ['lease', 'timeout'] as const) {
    const found = words[word]
    if (found !== undefined && parseDuration(timing[word] ?? '1s') === 0) reader.fail(found, 'cannot be 0', 'Write 30s')
  }
  return timing
}

function readMcp(reader: Reader, value: Value | undefined, quarantineMs: number): McpConfig {
  const words = value === undefined ? {} : reader.known(value, ['name', 'unknownTools', 'tools', 'http'])
  const unknown =
    words.unknownTools === undefined ? {} : reader.known(words.unknownTools, ['mode', 'afterDelivery', 'afterError'])
  const tools = words.tools === undefined ? [] : [...reader.entries(words.tools)]
  const config: McpConfig = {
    name: words.name === undefined ? undefined : readName(reader, words.name),
    unknownTools: {
      mode: unknown.mode === undefined ? 'guarded' : reader.choice(unknown.mode, ['guarded', 'blocked', 'open']),
      afterDelivery:
        unknown.afterDelivery === undefined ? 'run' : reader.choice(unknown.afterDelivery, ['run', 'replay', 'hold']),
      afterError: unknown.afterError === undefined ? 'hold' : reader.choice(unknown.afterError, ['hold', 'run']),
    },
    tools: new Map(tools.map(([name, found]) => [name, readTool(reader, found, quarantineMs)])),
    http: readMcpHttp(reader, words.http),
  }
  return config
}
