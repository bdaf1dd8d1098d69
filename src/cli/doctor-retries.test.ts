import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inheritedRetries } from './doctor-retries.ts'
import { RETRY_DEFAULTS } from './retry-defaults.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'onefold-retries-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A project with these dependencies, and a lock file where one is given. */
function project(dependencies: Record<string, string>, lock?: object): string {
  const at = mkdtempSync(join(folder, 'p-'))
  writeFileSync(join(at, 'package.json'), JSON.stringify({ dependencies }))
  if (lock !== undefined) writeFileSync(join(at, 'package-lock.json'), JSON.stringify({ packages: lock }))
  return at
}

describe('inherited time-outs × retries [BF-13]', () => {
  it('are multiplied along the layers in front of a write, each with a fix', () => {
    const findings = inheritedRetries(project({ stripe: '^23.0.0' }), ['gateway=4x30s', 'queue=2'])
    const [stripe, gateway, ...rest] = findings
    expect(rest).toEqual([])
    expect(stripe).toMatchObject({ check: 'stripe ^23.0.0', ok: false })
    expect(stripe?.found).toContain(
      'up to 3 times, 80 s each × gateway up to 4 times × queue up to 2 times = up to 24 times',
    )
    expect(stripe?.fix).toContain("ctx.downstreamKey('stripe')")
    expect(gateway).toMatchObject({ check: 'layer gateway', ok: false })
    expect(gateway?.found).toContain('gives up after 30 s')
    expect(gateway?.found).toContain('stripe (4 min)')
    expect(gateway?.found).toContain('queue (no time-out)')
  })

  it('show a model that may outlast the gateway', () => {
    const [openai, gateway] = inheritedRetries(project({ openai: '6' }), ['gateway=4x30s'])
    expect(openai?.found).toContain('a model call up to 3 times, 10 min each')
    expect(gateway?.found).toContain('openai (30 min)')
  })

  it('come from the lock file too, without what only development needs', () => {
    const lock = {
      'node_modules/stripe': { version: '23.1.0' },
      'node_modules/x/node_modules/inngest': { version: '4.0.0' },
      'node_modules/openai': { version: '6.0.0', dev: true },
    }
    const findings = inheritedRetries(project({}, lock), [])
    expect(findings.map(({ check }) => check)).toEqual(['stripe 23.1.0', 'inngest 4.0.0'])
    expect(findings[0]?.found).toContain('inngest up to 5 times = up to 15 times')
  })

  it.each([
    [
      'pnpm-lock.yaml',
      "packages:\n\n  '@slack/web-api@7.9.0':\n    resolution: {integrity: x}\n\n  openai@6.1.0(ws@8.0.0):\n",
    ],
    ['pnpm-lock.yaml', 'packages:\n\n  /@slack/web-api@7.9.0:\n    dev: false\n\n  /openai@6.1.0:\n'],
    ['yarn.lock', '"@slack/web-api@^7.0.0":\n  version "7.9.0"\n\nopenai@^6.0.0, openai@^6.1.0:\n  version "6.1.0"\n'],
    ['yarn.lock', '"@slack/web-api@npm:^7":\r\n  version: 7.9.0\r\n\r\n"openai@npm:^6":\r\n  version: 6.1.0\r\n'],
    ['bun.lock', '"@slack/web-api": ["@slack/web-api@7.9.0", ""],\n"openai": ["openai@6.1.0", ""],\n'],
  ])('come from %s as well, where a package that is wanted brings them', (file, text) => {
    const at = project({ agent: '1' })
    writeFileSync(join(at, file), text)
    const findings = inheritedRetries(at, [])
    expect(findings.map(({ check }) => check)).toEqual(['@slack/web-api 7.9.0', 'openai 6.1.0'])
  })

  it('come from the lock file of the workspace, without what only its other programs have', () => {
    const root = project(
      {},
      {
        'node_modules/pay': { version: '1.0.0', dependencies: { stripe: '23' } },
        'node_modules/stripe': { version: '23.1.0' },
        'node_modules/openai': { version: '6.0.0' },
      },
    )
    const at = join(root, 'apps', 'shop')
    mkdirSync(at, { recursive: true })
    writeFileSync(join(at, 'package.json'), JSON.stringify({ dependencies: { pay: '1' } }))
    expect(inheritedRetries(at, []).map(({ check }) => check)).toEqual(['stripe 23.1.0'])
  })

  it('are none for a client that tries once', () => {
    const findings = inheritedRetries(project({ axios: '1' }), [])
    expect(findings).toMatchObject([{ check: 'axios 1', ok: true }])
    expect(inheritedRetries(project({ left: '1' }), [])).toMatchObject([{ ok: true }])
  })

  it('are not said to be none where a file cannot be read; npm’s own byte order mark can', () => {
    const at = project({})
    writeFileSync(join(at, 'package-lock.json'), '{"packages": {"node_modules/stripe": ')
    const [unread] = inheritedRetries(at, [])
    expect(unread).toMatchObject({ ok: false, found: expect.stringContaining('package-lock.json cannot be read') })
    const marked = project({})
    writeFileSync(join(marked, 'package.json'), `\uFEFF${JSON.stringify({ dependencies: { stripe: '23.0.0' } })}`)
    expect(inheritedRetries(marked, []).map(({ check }) => check)).toEqual(['stripe 23.0.0'])
  })

  it('name a source for each figure', () => {
    for (const { source, fix } of RETRY_DEFAULTS) expect([source, fix].every((text) => text.length > 3)).toBe(true)
    expect(new Set(RETRY_DEFAULTS.map((one) => one.package)).size).toBe(RETRY_DEFAULTS.length)
  })

  it('are what `onefold doctor --retries` prints; exit 1, and 2 for a layer that cannot be read [BF-13]', () => {
    const run = (...flags: string[]) =>
      spawnSync(
        process.execPath,
        ['-C', 'onefold-source', fileURLToPath(new URL('../../bin/onefold.js', import.meta.url)), 'doctor', ...flags],
        { cwd: project({ stripe: '23.1.0' }), encoding: 'utf8' },
      )
    const { status, stdout } = run('--retries', '--layer', 'gateway=4x30s')
    expect([status, stdout]).toEqual([1, expect.stringContaining('= up to 12 times')])
    expect(stdout).toContain('fix:')
    expect(JSON.parse(run('--retries', '--json').stdout)).toMatchObject({ ok: false, findings: [{ ok: false }] })
    expect(run('--retries', '--layer', 'gateway').status).toBe(2)
  })
})
