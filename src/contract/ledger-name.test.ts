import { expect, it } from 'vitest'
import { ledgerName } from './ledger-name.ts'

it('keeps ordinary names', () => {
  expect(ledgerName('mail', 'send_message')).toBe('mail:send_message')
  expect(ledgerName('mail-1a2b3c4d', 'mail:send')).toBe('mail-1a2b3c4d:mail:send')
})

it('leaves names to the ledger that it keeps for itself', () => {
  expect(ledgerName('near', 'send_tokens')).toBe('%6Eear:send_tokens')
  expect(ledgerName('onefold.dev', 'pay')).toBe('%6Fnefold.dev:pay')
  expect(ledgerName('nearby', 'pay')).toBe('nearby:pay')
})

it('keeps distinct names distinct, of tools and of servers', () => {
  const odd = ['a b', 'a-b', 'a%20b', 'a:b', 'a', 'b', 'ä', 'a\u0000', 'x'.repeat(300), `${'x'.repeat(299)}y`, '\ud800']
  const names = odd.flatMap((server) => odd.map((tool) => ledgerName(server, tool)))
  expect(ledgerName('crm:eu', 'send')).not.toBe(ledgerName('crm', 'eu:send'))
  expect(new Set(names).size).toBe(odd.length ** 2)
  for (const name of names) expect(name).toMatch(/^[\x21-\x7e]{1,128}$/)
})
