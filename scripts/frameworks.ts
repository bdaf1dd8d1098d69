/**
 * Installs the agent frameworks that test/frameworks tests against, with their own lock file, so that the root install
 * stays small. Does nothing while what is installed is what the lock says.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../test/frameworks', import.meta.url))
const mark = join(folder, 'node_modules/.onefold-lock')
const lock = createHash('sha256')
  .update(readFileSync(join(folder, 'package-lock.json')))
  .digest('hex')

if (existsSync(mark) && readFileSync(mark, 'utf8') === lock) {
  console.log('frameworks: as test/frameworks/package-lock.json says')
} else {
  console.log('frameworks: installing test/frameworks (about a minute, once for each lock file)')
  // Optional packages are native programs that no test runs.
  const { status } = spawnSync('npm', ['ci', '--omit=optional', '--no-audit', '--no-fund'], {
    cwd: folder,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  if (status !== 0) throw new Error('npm ci failed in test/frameworks; nothing was tested against the frameworks')
  writeFileSync(mark, lock)
}

// The examples there import Onefold by its name, as an application does.
const self = join(folder, 'node_modules/onefold')
if (!existsSync(self)) symlinkSync(join(folder, '../..'), self, 'junction')
