import { afterEach, describe, expect, it, vi } from 'vitest'
import { describeWithServer, findProgram, serverProgram } from './absence.ts'

const MISSING = { command: 'onefold-no-such-server', install: 'nobody packages it' }
const NODE = { command: 'node', install: 'it runs this test' }

describe('a server that is not installed', () => {
  afterEach(() => vi.unstubAllEnvs())

  it('is told by one visible line', () => {
    vi.stubEnv('REQUIRE_SERVERS', '')
    const lines: unknown[] = []
    const spy = vi.spyOn(process.stderr, 'write').mockImplementation((line) => lines.push(line) > 0)
    expect([serverProgram(MISSING), serverProgram(MISSING)]).toEqual([undefined, undefined])
    spy.mockRestore()
    expect(lines).toEqual(['onefold-no-such-server is not installed: its tests are left out (nobody packages it)\n'])
  })

  it('fails where servers are required', () => {
    vi.stubEnv('REQUIRE_SERVERS', '1')
    expect(() => serverProgram(MISSING)).toThrow('REQUIRE_SERVERS=1, but onefold-no-such-server is not installed')
  })

  it('is found on the PATH or in a folder of its own', () => {
    const path = findProgram(NODE)
    expect(path).toMatch(/node$/u)
    vi.stubEnv('PATH', '')
    expect(findProgram(NODE)).toBeUndefined()
    expect(findProgram({ ...NODE, folders: [path!.slice(0, -'/node'.length)] })).toBe(path)
  })
})

describeWithServer(NODE, 'a describe with a server', (path) => {
  it('hands over the path', () => {
    expect(path).toMatch(/node$/u)
  })
})
