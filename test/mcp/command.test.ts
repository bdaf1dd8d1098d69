import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/index.ts'
import { PROXY_CODES, WIRE_CODES, type ProxyContracts } from '../../src/mcp/index.ts'
import { PATIENCE, PROGRAMS, connectTo, errorOf, eventually, inShop, listed, receiptOf } from './fixtures/harness.ts'

const onefold = fileURLToPath(new URL('../../bin/onefold.js', import.meta.url))
const run = promisify(execFile)

describe('bin/onefold.js', PATIENCE, () => {
  it(
    'mcp serves with the ledger of the configuration; a call that a killed proxy left is listed by ledger list --in-doubt',
    inShop(async (shop) => {
      const proxy = [onefold, 'mcp', '--config', shop.config, '--', process.execPath, PROGRAMS.server]
      const session = await connectTo(process.execPath, proxy, shop.env, '/')
      const mail = { to: 'a@example', subject: 'Your order', body: 'Hello' }
      expect(receiptOf(await session.call('send_message', mail))).toMatchObject({ status: 'executed' })
      shop.downstream.next('messages', 'hold')
      void session.call('send_message', { ...mail, to: 'b@example' }).catch(() => undefined)
      await shop.downstream.happened('messages', 2)
      await session.kill()
      const killedAt = Date.now()
      const list = async (): Promise<readonly { tool: string; reason: string }[] | undefined> => {
        const { stdout } = await run(
          process.execPath,
          [onefold, 'ledger', 'list', '--in-doubt', '--json', '--config', shop.config],
          { env: shop.env },
        )
        const found =
          stdout.trim() === ''
            ? []
            : (JSON.parse(stdout) as
                | { tool: string; reason: string }[]
                | { records: { tool: string; reason: string }[] })
        const records = Array.isArray(found) ? found : found.records
        return records.length > 0 ? records : undefined
      }
      const [doubt] = await eventually(list, 10_000)
      expect(doubt).toMatchObject({ tool: 'shop:send_message' })
      const [record] = await listed(await shop.ledger(), ['in-doubt'])
      expect((record?.doubtAt ?? Infinity) - killedAt, 'milliseconds until it was in doubt: lease + 1 s').toBeLessThan(
        2_000,
      )
      const again = await connectTo(process.execPath, proxy, shop.env, '/')
      expect(errorOf(await again.call('send_message', { ...mail, to: 'b@example' }))).toMatchObject({
        type: 'IN_DOUBT',
      })
      await again.close()
      expect(shop.downstream.effects('messages')).toHaveLength(2)
    }),
  )
})

describe('the configuration of the guide', () => {
  const file = new URL('./fixtures/guide.yaml', import.meta.url)

  it('is valid, and is what the proxy takes', () => {
    const { mcp } = parseConfig(readFileSync(file, 'utf8'), join('/', 'onefold.yaml'), { ONEFOLD_KEY_SECRET: 'x' })
    const contracts: ProxyContracts = { ...mcp, name: mcp.name ?? 'mail' }
    expect([...contracts.tools.keys()]).toEqual([
      'list_messages',
      'send_message',
      'create_order',
      'charge_card',
      'book_flight',
      'find_booking',
    ])
  })
})

describe('the table of the guide', () => {
  it('tells the codes that are on the wire', () => {
    const guide = readFileSync(new URL('../../docs/guides/mcp.md', import.meta.url), 'utf8')
    const told = [...guide.matchAll(/^\| `([A-Z_]+)`[^|]*\| error \| (-\d+) \|$/gm)].map(([, type = '', code]) => [
      type,
      Number(code),
    ])
    expect(told.length).toBeGreaterThan(5)
    const codes: Readonly<Record<string, number>> = { ...WIRE_CODES, ...PROXY_CODES }
    for (const [type = '', code] of told) expect(codes[type], String(type)).toBe(code)
  })
})
