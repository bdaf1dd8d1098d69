import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { packIntoConsumer, plainEnvironment, type Consumer } from './pack.ts'

interface Manifest {
  readonly version: string
  readonly exports: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly scripts: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

const root = fileURLToPath(new URL('../..', import.meta.url))
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest
const doors = Object.keys(manifest.exports)
const nameOf = (door: string): string => `onefold${door.slice(1)}`

describe('package.json', () => {
  it.each(doors)('door %s leads to its source, its types and its build', (door) => {
    const { 'onefold-source': source, types, default: built, ...other } = manifest.exports[door] ?? {}
    expect(other).toEqual({})
    expect(existsSync(join(root, source ?? '')), source).toBe(true)
    expect(types).toBe(source?.replace('./src/', './dist/').replace(/\.ts$/, '.d.ts'))
    expect(built).toBe(source?.replace('./src/', './dist/').replace(/\.ts$/, '.js'))
    expect(Object.keys(manifest.exports[door] ?? {})).toEqual(['onefold-source', 'types', 'default'])
  })

  it('has fewer than ten runtime dependencies and exactly pinned tools', () => {
    expect(Object.keys(manifest.dependencies).length).toBeLessThan(10)
    for (const [name, range] of Object.entries(manifest.devDependencies)) expect(range, name).toMatch(/^\d+\.\d+\.\d+/)
  })

  it('names only files that exist in its scripts', () => {
    const words = Object.values(manifest.scripts).flatMap((script) => script.split(' '))
    const files = words.filter((word) => /^[^-].*\.(ts|js|json)$/.test(word))
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([])
  })

  it('has a lock file that names no place to fetch from', () => {
    expect(readFileSync(join(root, 'package-lock.json'), 'utf8')).not.toContain('"resolved"')
  })
})

describe('the packed package, in plain Node', { timeout: 60_000 }, () => {
  let consumer: Consumer
  const run = (
    ...args: readonly string[]
  ): { readonly status: number | null; readonly stdout: string; readonly stderr: string } =>
    spawnSync(process.execPath, args, {
      cwd: consumer.folder,
      encoding: 'utf8',
      env: plainEnvironment(),
      timeout: 30_000,
    })

  beforeAll(() => {
    consumer = packIntoConsumer()
    writeFileSync(
      join(consumer.folder, 'trace.mjs'),
      `import { registerHooks } from 'node:module'
const seen = new Set()
registerHooks({ resolve(specifier, context, next) { const found = next(specifier, context); seen.add(found.url); return found } })
process.on('exit', () => console.log(JSON.stringify([...seen])))
`,
    )
  }, 60_000)

  afterAll(() => consumer?.[Symbol.dispose]())

  it('holds the build, the command and the papers, and no source or test', () => {
    const odd = consumer.files.filter(
      (file) =>
        !/^(dist\/.+\.(js|d\.ts)(\.map)?|bin\/onefold\.js|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/.test(file),
    )
    expect(odd).toEqual([])
    expect(consumer.files.filter((file) => /\.test(-d)?\.|fixtures/.test(file))).toEqual([])
  })

  it.each(doors)('door %s opens with nothing else installed, and pulls no other package', (door) => {
    const program = join(consumer.folder, 'door.mjs')
    writeFileSync(
      program,
      `const door = await import('${nameOf(door)}')\nif (Object.keys(door).length === 0) throw new Error('exports nothing')\n`,
    )
    const { status, stdout, stderr } = run('--import', './trace.mjs', program)
    expect(status, stderr).toBe(0)
    const graph = JSON.parse(stdout) as readonly string[]
    const foreign = graph.filter(
      (url) => !url.startsWith('node:') && !url.includes('/node_modules/onefold/') && !url.endsWith('/door.mjs'),
    )
    expect(foreign).toEqual([])
    expect(graph.filter((url) => url.includes('/onefold/dist/cli/'))).toEqual([])
    expect(graph.some((url) => url.includes('/node_modules/onefold/dist/'))).toBe(true)
  })

  it('is imported by a CommonJS program in TypeScript with module nodenext', () => {
    const program = join(consumer.folder, 'app.cts')
    writeFileSync(
      program,
      `import { onefold, keyed } from 'onefold'\nimport { memoryStore } from 'onefold/memory'\nconst guard = onefold({ store: memoryStore(), allowVolatile: true })\nconsole.log(typeof guard.tool, keyed('24h').class)\n`,
    )
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const types = ['--typeRoots', join(root, 'node_modules/@types'), '--types', 'node']
    const built = run(tsc, '--module', 'nodenext', '--strict', '--target', 'es2023', ...types, program)
    expect(built.stdout).toBe('')
    const ran = run(join(consumer.folder, 'app.cjs'))
    expect([ran.status, ran.stdout, ran.stderr]).toEqual([0, 'function keyed\n', ''])
  })

  it('the command says its version and rejects a mistyped flag', () => {
    consumer.link(Object.keys(manifest.dependencies))
    const command = join(consumer.folder, 'node_modules/onefold/bin/onefold.js')
    const version = run(command, '--version')
    expect(version.stdout.trim(), version.stderr).toContain(manifest.version)
    expect(version.status).toBe(0)
    expect(run(command, '--versoin').status).toBe(2)
  })
})
