import { describe, expect, it } from 'vitest'
import { upstreamName } from './upstream-name.ts'

describe('upstreamName', () => {
  it.each([
    ['npx', ['-y', '@modelcontextprotocol/server-memory@1.2.3'], 'server-memory'],
    ['node', ['/opt/mail/server.js', '--verbose'], 'server'],
    ['/usr/local/bin/mail-server', [], 'mail-server'],
    ['uvx', ['mcp-server-git', '--repository', '/r'], 'mcp-server-git'],
    ['node', ['C:\\tools\\shop.mjs'], 'shop'],
    ['npx', [], 'npx'],
    ['ünïcode server', [], 'n-code-server'],
  ])('%s %j is %s', (command, args, slug) => {
    expect(upstreamName(command, args)).toMatch(new RegExp(`^${slug}-[a-z0-9]{8}$`))
  })

  it('is equal for equal command lines only', () => {
    expect(upstreamName('a', ['b'])).toBe(upstreamName('a', ['b']))
    expect(upstreamName('a', ['b', 'c'])).not.toBe(upstreamName('a', ['b c']))
  })
})
