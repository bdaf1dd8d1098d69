import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Finding } from '../engine/index.ts'
import { wrongUse } from './exit-code.ts'
import { RETRY_DEFAULTS, type RetryDefault } from './retry-defaults.ts'

/** Something above the program that repeats the whole of it: a gateway, a queue, a cron job. */
export interface RetryLayer {
  readonly name: string
  readonly attempts: number
  /** Milliseconds after which it gives up one attempt; undefined where nothing ends it. */
  readonly timeoutMs: number | undefined
}

/** How long callers above may retry by default (protocol.md section 9). */
const RETRY_HORIZON_MS = 24 * 3_600_000

/**
 * Time-outs and retries that the project inherits from its dependencies, multiplied with the layers above it, outermost
 * first: what sits in front of a write. @throws OnefoldError INPUT_INVALID for a layer that cannot be read
 */
export function inheritedRetries(folder: string, given: readonly string[]): readonly Finding[] {
  const project = nearestProject(folder)
  const unread: string[] = []
  const installed = project === undefined ? new Map<string, string>() : installedPackages(project, unread)
  const found = RETRY_DEFAULTS.filter((one) => installed.has(one.package))
  const layers = [
    ...given.map(readLayer),
    ...found
      .filter(({ kind }) => kind === 'layer')
      .map((one) => ({ name: one.package, attempts: one.attempts, timeoutMs: one.timeoutMs })),
  ]
  const findings = [
    ...unread.map((file): Finding => ({
      check: 'retries',
      ok: false,
      found: `${file} cannot be read as JSON, so that what it names is not known`,
      fix: 'mend the file',
    })),
    ...found.map((one) => repeats(one, installed.get(one.package) ?? '', layers)),
    ...given.map(readLayer).flatMap((layer, at) => overtakes(layer, layers.slice(at + 1), found)),
  ]
  if (project === undefined)
    return [{ check: 'retries', ok: false, found: 'no package.json here', fix: 'run it in the project' }]
  if (findings.length > 0) return findings
  return [{ check: 'retries', ok: true, found: 'none of the known retrying packages is a dependency' }]
}

/** One package: how often a single wanted write may be made, and for how long. */
function repeats(one: RetryDefault, version: string, layers: readonly RetryLayer[]): Finding {
  const above = one.kind === 'layer' ? layers.filter(({ name }) => name !== one.package) : layers
  const factors = above.filter(({ attempts }) => attempts > 1)
  const times = factors.reduce((product, { attempts }) => product * attempts, one.attempts)
  const check = `${one.package}${version === '' ? '' : ` ${version}`}`
  const own = `${WHAT[one.kind]} ${many(one.attempts)}${one.timeoutMs === undefined ? '' : `, ${lasting(one.timeoutMs)} each`}`
  const product =
    factors.length === 0
      ? ''
      : ` × ${factors.map(({ name, attempts }) => `${name} ${many(attempts)}`).join(' × ')} = ${many(times)}`
  if (times === 1) return { check, ok: true, found: `${own} (${one.source})` }
  const totalMs = times * (one.timeoutMs ?? 0)
  const late =
    totalMs > RETRY_HORIZON_MS
      ? `; the last may come after ${lasting(totalMs)}: set retryHorizon and retention above it`
      : ''
  return { check, ok: false, found: `${own}${product} (${one.source})`, fix: `${one.fix}${late}` }
}

const WHAT = { client: 'makes a write', model: 'makes a model call', layer: 'runs your function' } as const

const many = (attempts: number): string =>
  attempts === Infinity ? 'without end' : attempts === 1 ? 'once' : `up to ${attempts} times`

/** A layer that gives up sooner than what it waits for starts again while the first attempt is still acting. */
function overtakes(
  layer: RetryLayer,
  below: readonly RetryLayer[],
  found: readonly RetryDefault[],
): readonly Finding[] {
  const { timeoutMs } = layer
  if (timeoutMs === undefined || layer.attempts === 1) return []
  const slower = [
    ...below.map(({ name, attempts, timeoutMs: each }) => ({ name, longest: lasts(attempts, each) })),
    ...found
      .filter(({ kind }) => kind !== 'layer')
      .map((one) => ({ name: one.package, longest: lasts(one.attempts, one.timeoutMs) })),
  ].filter(({ longest }) => longest > timeoutMs)
  if (slower.length === 0) return []
  const names = slower.map(
    ({ name, longest }) => `${name} (${longest === Infinity ? 'no time-out' : lasting(longest)})`,
  )
  return [
    {
      check: `layer ${layer.name}`,
      ok: false,
      found: `gives up after ${lasting(timeoutMs)} and starts again, up to ${layer.attempts} times, while these may still be acting: ${names.join(', ')}`,
      fix: `let every attempt below end within ${lasting(timeoutMs)} (time-outs and retries of what is named), and give the run an id that stays the same through its retries`,
    },
  ]
}

/** Exact where it can be: `80 s`, `10 min`, `30 h`. */
function lasting(ms: number): string {
  if (ms < 1_000) return `${ms} ms`
  if (ms < 180_000) return `${Math.round(ms / 1_000)} s`
  return ms < 10_800_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`
}

const lasts = (attempts: number, timeoutMs: number | undefined): number =>
  timeoutMs === undefined ? Infinity : attempts * timeoutMs

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const

/** `gateway=4x30s`: name, attempts, time-out of each (which may be left out). */
function readLayer(text: string): RetryLayer {
  const match = /^([^=]+)=(\d+)(?:x(\d+)(ms|s|m|h))?$/.exec(text)
  const attempts = Number(match?.[2])
  if (match === null || attempts < 1) {
    throw wrongUse(`A layer is NAME=ATTEMPTS or NAME=ATTEMPTSxTIME-OUT, such as gateway=4x30s; this is ${text}.`)
  }
  const [, name = '', , time, unit] = match
  return {
    name,
    attempts,
    timeoutMs: time === undefined ? undefined : Number(time) * UNITS[unit as keyof typeof UNITS],
  }
}

function nearestProject(folder: string): string | undefined {
  for (let at = resolve(folder); ; at = dirname(at)) {
    if (existsSync(join(at, 'package.json'))) return at
    if (at === dirname(at)) return undefined
  }
}

interface LockEntry extends Manifest {
  readonly version?: string
  readonly dev?: boolean
}

interface Lock {
  readonly packages?: Readonly<Record<string, LockEntry>>
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

const dependenciesOf = (one: Manifest | undefined): Readonly<Record<string, string>> => ({
  ...one?.peerDependencies,
  ...one?.optionalDependencies,
  ...one?.dependencies,
})

/** The lock files of other package managers, read as text: where the version of a package stands. */
const TEXT_LOCKS: Readonly<Record<string, (name: string) => RegExp>> = {
  'pnpm-lock.yaml': (name) => new RegExp(`^ +['"]?/?${name}@(\\d[^:('"\\s]*)`, 'm'),
  'yarn.lock': (name) => new RegExp(`^"?${name}@[^\\n]*:\\n +version:? "?(\\d[^"\\s]*)`, 'm'),
  'bun.lock': (name) => new RegExp(`\\["${name}@(\\d[^"]*)"`, 'm'),
}

/**
 * Packages that run with the program, and their versions: of the lock file, which a workspace has further up, or else of
 * package.json. Only npm's lock file says what is for development alone.
 */
function installedPackages(project: string, unread: string[]): ReadonlyMap<string, string> {
  const manifest = readJson<Manifest & { readonly devDependencies?: object }>(join(project, 'package.json'), unread)
  const installed = new Map(Object.entries(dependenciesOf(manifest)))
  const folder = lockFolder(project)
  if (folder === undefined) return installed
  const lock = readJson<Lock>(join(folder, 'package-lock.json'), unread)
  const entries = Object.entries(lock?.packages ?? {})
  const wanted = folder === project ? undefined : reachable(installed.keys(), entries)
  for (const [place, { version, dev }] of entries) {
    const name = place.split('node_modules/').at(-1) ?? ''
    if (name === '' || dev === true || version === undefined || wanted?.has(name) === false) continue
    installed.set(name, version)
  }
  for (const [file, versionOf] of Object.entries(TEXT_LOCKS)) {
    if (!existsSync(join(folder, file))) continue
    const text = readFileSync(join(folder, file), 'utf8').replaceAll('\r', '')
    for (const { package: name } of RETRY_DEFAULTS) {
      const version = versionOf(name).exec(text)?.[1]
      const forDevelopment = Object.hasOwn(manifest?.devDependencies ?? {}, name) && !installed.has(name)
      if (version !== undefined && !forDevelopment) installed.set(name, version)
    }
  }
  return installed
}

const LOCKS = ['package-lock.json', ...Object.keys(TEXT_LOCKS)]

/** The nearest project with a lock file, not above the repository. */
function lockFolder(project: string): string | undefined {
  for (let at = project; ; at = dirname(at)) {
    const isProject = existsSync(join(at, 'package.json'))
    if (isProject && LOCKS.some((file) => existsSync(join(at, file)))) return at
    if (at === dirname(at) || existsSync(join(at, '.git'))) return undefined
  }
}

/** What one program of a workspace has of the packages of all: its dependencies, and theirs. */
function reachable(
  from: Iterable<string>,
  entries: readonly (readonly [place: string, entry: LockEntry])[],
): ReadonlySet<string> {
  const needs = new Map<string, Set<string>>()
  for (const [place, entry] of entries) {
    const name = place.split('node_modules/').at(-1) ?? ''
    const names = needs.get(name) ?? new Set()
    for (const one of Object.keys(dependenciesOf(entry))) names.add(one)
    needs.set(name, names)
  }
  const seen = new Set(from)
  // A set that grows while it is walked is walked to its end.
  for (const name of seen) for (const one of needs.get(name) ?? []) seen.add(one)
  return seen
}

/** As npm reads it, with or without a byte order mark; undefined where there is none, or (said in `unread`) none to read. */
function readJson<T extends object>(file: string, unread: string[]): T | undefined {
  if (!existsSync(file)) return undefined
  try {
    const value = JSON.parse(readFileSync(file, 'utf8').replace(/^\uFEFF/, '')) as T | null
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // Told below.
  }
  unread.push(file)
  return undefined
}
