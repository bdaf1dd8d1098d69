import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A project of its own, into which the built package was unpacked from its tarball. */
export interface Consumer extends Disposable {
  readonly folder: string
  /** Paths inside the tarball. */
  readonly files: readonly string[]
  /** Makes the runtime dependencies resolvable, from the repository's own node_modules. */
  link(dependencies: readonly string[]): void
}

/** The environment of somebody who has only installed the package: no conditions, no flags. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, ...rest } = process.env
  return rest
}

/**
 * Builds the sources into a temporary folder, packs it with npm and unpacks it into a consumer. Needs no network.
 * @throws when the build, npm or tar fails
 */
export function packIntoConsumer(): Consumer {
  const scratch = mkdtempSync(join(tmpdir(), 'onefold-pack-'))
  const staged = join(scratch, 'staged')
  const folder = join(scratch, 'consumer')
  const installed = join(folder, 'node_modules/onefold')
  const run = (command: string, args: readonly string[], cwd: string): string =>
    execFileSync(command, args, { cwd, encoding: 'utf8', env: plainEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] })
  mkdirSync(staged)
  mkdirSync(installed, { recursive: true })
  for (const file of ['package.json', 'bin', 'README.md', 'LICENSE', 'CHANGELOG.md']) {
    cpSync(join(root, file), join(staged, file), { recursive: true })
  }
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  run(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', join(staged, 'dist')], root)
  const packed = JSON.parse(
    run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', scratch], staged),
  ) as readonly Packed[] | Readonly<Record<string, Packed>>
  const [tarball] = Object.values(packed)
  if (tarball === undefined) throw new Error('npm pack named no tarball')
  run('tar', ['-xzf', join(scratch, tarball.filename), '-C', installed, '--strip-components=1'], scratch)
  return {
    folder,
    files: tarball.files.map(({ path }) => path),
    link(dependencies) {
      for (const name of dependencies) {
        const place = join(folder, 'node_modules', name)
        mkdirSync(dirname(place), { recursive: true })
        symlinkSync(join(root, 'node_modules', name), place, 'dir')
      }
    },
    [Symbol.dispose]: () => rmSync(scratch, { recursive: true, force: true }),
  }
}

interface Packed {
  readonly filename: string
  readonly files: readonly { readonly path: string }[]
}
