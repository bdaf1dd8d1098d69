import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { OnefoldError } from '../error/index.ts'
import type { Config } from './config.ts'
import { parseConfig } from './parse.ts'

const MOST_BYTES = 1024 * 1024

/**
 * Reads and checks a configuration file. Whoever only looks into the ledger needs no secrets, and may not have them.
 * @throws OnefoldError CONFIG_INVALID, also for a file that is not there or cannot be read
 */
export function loadConfig(path: string, { secrets = true }: { readonly secrets?: boolean } = {}): Config {
  const file = resolve(path)
  let text: string
  try {
    if (statSync(file).size > MOST_BYTES) throw unreadable(path, 'it is larger than 1 MiB')
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof OnefoldError) throw error
    const code = (error as { code?: unknown }).code
    throw unreadable(path, code === 'ENOENT' ? 'there is no such file' : String(code ?? error))
  }
  return parseConfig(text, file, secrets ? process.env : undefined)
}

const unreadable = (path: string, why: string): OnefoldError =>
  new OnefoldError('CONFIG_INVALID', `${path} cannot be read: ${why}. Nothing was started.`, {
    details: { file: path, problem: why },
  })
