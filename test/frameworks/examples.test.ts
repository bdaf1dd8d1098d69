import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const folder = fileURLToPath(new URL('.', import.meta.url))

describe('every example of a framework runs and holds its own assertions', () => {
  it.each(globSync('examples/*/main.ts', { cwd: folder }).toSorted())('%s', { timeout: 60_000 }, (example) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['-C', 'onefold-source', join(folder, example)], {
      encoding: 'utf8',
      timeout: 50_000,
    })
    expect(status, `${stdout}\n${stderr}`).toBe(0)
    expect(stdout).toContain('requests reached the provider')
  })
})
