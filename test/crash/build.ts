import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The programs of the crash runs as JavaScript, like the published package. */
export interface Built {
  readonly child: string
  readonly naive: string
  remove(): void
}

/**
 * Compiles the processes and the library that they use. A process then starts in half the time that it takes to strip
 * the types of every file, and starting is what most of a kill costs.
 */
export function build(): Built {
  const folder = mkdtempSync(join(tmpdir(), 'onefold-crash-build-'))
  const root = fileURLToPath(new URL('../..', import.meta.url))
  try {
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    execFileSync(process.execPath, [tsc, '-p', join(root, 'test/crash/tsconfig.json'), '--outDir', folder], { stdio: 'pipe' })
  } catch (error) {
    // Types are checked elsewhere; here only a missing program is fatal.
    if (!existsSync(join(folder, 'test/crash/child.js'))) throw error
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  return {
    child: join(folder, 'test/crash/child.js'),
    naive: join(folder, 'test/crash/naive.js'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
