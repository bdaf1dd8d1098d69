import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))
const lock = join(folder, 'package-lock.json')
const installed = join(folder, 'node_modules', '.onefold-lock')

/** Installs the packages that are measured against, as this folder's own lock file names them. */
export function installPeers(): void {
  if (existsSync(installed) && readFileSync(installed, 'utf8') === readFileSync(lock, 'utf8')) return
  console.error('installing what is measured against (bench/stores/package-lock.json) …')
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
  copyFileSync(lock, installed)
}

/** A package of this folder's own, which the repository does not depend on; `T` is the part of it that is used. */
export async function peer<T>(name: string): Promise<T> {
  const path = createRequire(join(folder, 'package.json')).resolve(name)
  return (await import(pathToFileURL(path).href)) as T
}

/** Versions of what is measured against. */
export function peerVersions(): Readonly<Record<string, string>> {
  const { dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    readonly dependencies: Record<string, string>
  }
  return dependencies
}
