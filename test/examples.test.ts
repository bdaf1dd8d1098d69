import { spawnSync } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
// Black Friday takes a minute: test/scenarios plays a smaller one, `npm start` the whole.
const examples = globSync('examples/*/main.ts', { cwd: root })
  .filter((example) => !example.includes('black-friday'))
  .toSorted()
const landed = existsSync(join(root, 'src/index.ts'))

describe.skipIf(!landed)('every example runs and holds its own assertions', () => {
  it.each(examples)('%s', { timeout: 60_000 }, (example) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['-C', 'onefold-source', example], {
      cwd: root,
      encoding: 'utf8',
      timeout: 50_000,
    })
    expect(`${stdout}${stderr}`).not.toBe('')
    expect(status, `${stdout}\n${stderr}`).toBe(0)
  })
})
