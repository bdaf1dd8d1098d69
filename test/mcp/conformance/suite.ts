import { execFile, spawn } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const ROOT = join(HERE, '../../..')
const INSTALLED = join(ROOT, 'node_modules/.cache/onefold/conformance')

const at = (path: string): string => join(INSTALLED, 'node_modules/@modelcontextprotocol', path)

/** Installs the suite and the Inspector from the lock beside this file, once; they stay out of the repository's own. */
export async function install(): Promise<void> {
  const lock = readFileSync(join(HERE, 'package-lock.json'), 'utf8')
  const stamp = join(INSTALLED, 'installed')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  mkdirSync(INSTALLED, { recursive: true })
  for (const file of ['package.json', 'package-lock.json']) cpSync(join(HERE, file), join(INSTALLED, file))
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  // What npm hands to a script of its own (npm_config_…) is about the repository, and partly refused on a command line.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_(?!config_registry$)/i.test(name)),
  )
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund']
  await promisify(execFile)(npm, args, { cwd: INSTALLED, env: { ...env, NODE_OPTIONS: '' } })
  writeFileSync(stamp, lock)
}

/** What a program prints, whatever its status. */
function run(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.once('error', reject)
    child.once('close', () => resolve(output))
  })
}

/** How each check of each scenario ended; a check may be made several times. */
export interface Checked {
  /** `scenario/check × times`, sorted. */
  readonly passed: readonly string[]
  readonly count: number
  readonly output: string
}

interface Check {
  readonly id: string
  readonly status: string
}

/** Runs the official suite against an endpoint. */
export async function check(url: string, revision: '2025-11-25' | '2026-07-28'): Promise<Checked> {
  const folder = mkdtempSync(join(tmpdir(), 'onefold-conformance-'))
  try {
    const suite = [at('conformance/dist/index.js'), 'server', '--url', url, '--requirements', revision, '-o', folder]
    const output = await run(suite)
    const times = new Map<string, number>()
    for (const file of globSync(join(folder, '*/checks.json'))) {
      const scenario = basename(dirname(file))
        .replace(/^server-/, '')
        .replace(/-\d{4}-\d\d-\d\dT.*$/, '')
      for (const { id, status } of JSON.parse(readFileSync(file, 'utf8')) as Check[]) {
        if (status === 'SUCCESS') times.set(`${scenario}/${id}`, (times.get(`${scenario}/${id}`) ?? 0) + 1)
      }
    }
    const passed = Array.from(times, ([name, count]) => `${name} × ${count}`).toSorted()
    return { passed, count: Array.from(times.values()).reduce((sum, count) => sum + count, 0), output }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The official Inspector in its command line mode; resolves to the JSON that it prints. */
export async function inspect(args: readonly string[]): Promise<Record<string, unknown>> {
  const output = await run([at('inspector/clients/launcher/build/index.js'), '--cli', ...args])
  const start = output.indexOf('{\n')
  if (start === -1) throw new Error(`the Inspector printed no answer: ${output}`)
  return JSON.parse(output.slice(start, output.lastIndexOf('}') + 1)) as Record<string, unknown>
}
