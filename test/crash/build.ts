import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { CrashStore } from './stores/index.ts'
import { sqlite } from './stores/sqlite.ts'

/** The programs of the crash runs, each one file of JavaScript. */
export interface Built {
  readonly child: string
  readonly naive: string
  remove(): void
}

/** What is used of https://rolldown.rs/reference/api */
interface Bundler {
  readonly rolldown: (options: { readonly input: string; readonly platform: 'node' }) => Promise<{
    write(options: { readonly file: string; readonly format: 'esm'; codeSplitting: false }): Promise<unknown>
    close(): Promise<void>
  }>
}

/** The bundler that vitest's Vite brings along: nothing of ours depends on it. */
async function bundler(): Promise<Bundler> {
  const ofVitest = createRequire(createRequire(import.meta.url).resolve('vitest/package.json'))
  const ofVite = createRequire(ofVitest.resolve('vite'))
  return (await import(pathToFileURL(ofVite.resolve('rolldown')).href)) as Bundler
}

/**
 * Bundles the processes with the library that they use. Starting is what most of a kill costs, and a process of one file
 * starts twice as fast as one that loads, and strips the types of, ninety. @default the embedded store
 */
export async function build(store: Pick<CrashStore, 'program' | 'beside'> = sqlite): Promise<Built> {
  const folder = mkdtempSync(join(tmpdir(), 'onefold-crash-build-'))
  const { rolldown } = await bundler()
  const programs = {
    child: store.program,
    naive: new URL('./naive.ts', import.meta.url),
    ...store.beside,
  }
  for (const [name, source] of Object.entries(programs)) {
    const bundle = await rolldown({ input: fileURLToPath(source), platform: 'node' })
    await bundle.write({ file: join(folder, `${name}.js`), format: 'esm', codeSplitting: false })
    await bundle.close()
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  return {
    child: join(folder, 'child.js'),
    naive: join(folder, 'naive.js'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
