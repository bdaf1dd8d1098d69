import { describe, expect, it } from 'vitest'
import type { OnefoldError } from '../error/index.ts'
import { parseConfig } from './parse.ts'

const FILE = '/etc/shop/onefold.yaml'

function refused(text: string, env: Record<string, string> = {}): string {
  try {
    parseConfig(text, FILE, env)
  } catch (error) {
    const { code, message, details } = error as OnefoldError
    expect(code).toBe('CONFIG_INVALID')
    expect(details['file']).toBe(FILE)
    return message.replace(`${FILE}:`, '').replace(' Nothing was started.', '')
  }
  throw new Error('it was accepted')
}

/** One tool, on the third line. */
const tool = (declaration: string): string => `mcp:\n  tools:\n    pay: ${declaration}\n`

const WHOLE = `
store: sqlite:./ledger.db
tenant: acme
keySecret: { env: SECRET }
previousSecrets: [{ env: PAST }, none]
timing: { lease: 10s, quarantine: 30s, wait: 5s, timeout: 2m }
mcp:
  name: mail
  http: { upstream: 'https://mcp.example/mcp', principal: { header: X-User }, tenantHeader: X-Org, hosts: [mcp.internal], clientTimeout: 90s, limits: { streams: 20, bodyBytes: 1000 } }
  unknownTools: { mode: blocked, afterDelivery: hold, afterError: run }
  tools:
    list_messages: { effect: read }
    send_message: { effect: write, identity: [to, subject], ignore: [body], recovery: manual, retention: 7d }
    create_order:
      effect: write
      identity: [cart.id]
      recovery: { keyed: 24h, key: arguments.meta.idempotency-key }
      scope: run
      errors: [{ match: ECONNREFUSED, effect: none }, { match: -32050, effect: unknown }]
      notice: model
      occurrenceField: copy
      amount: cents
      exclusive: [account]
      version: 2
      timeout: 5m
    charge: { effect: write, callerKey: required, recovery: { keyed: 24h, key: _meta } }
    book_flight:
      effect: write
      identity: all
      recovery:
        probe: { tool: find, arguments: { ref: $identity.user, also: [$input.date], key: $key, price: $$5, n: 1 }, found: structuredContent.booking.id }
        settle: 5s
`

/** Nine to the sixth. */
const BOMB = tool(
  `{ effect: write, identity: [a], recovery: { probe: { tool: t, found: a, arguments: { a: &a [1], ${[
    'a',
    'b',
    'c',
    'd',
    'e',
    'f',
  ]
    .map((name, at) => `${'bcdefg'[at]}: &${'bcdefg'[at]} [${Array.from({ length: 9 }, () => `*${name}`).join(', ')}]`)
    .join(', ')} } }, settle: 1s } }`,
)

describe('parseConfig', () => {
  it('reads everything that it knows', () => {
    const config = parseConfig(WHOLE, FILE, { SECRET: 's3cret', PAST: 'past' })
    expect({ ...config, mcp: { ...config.mcp, tools: Object.fromEntries(config.mcp.tools) } }).toMatchObject({
      file: FILE,
      store: { kind: 'sqlite', path: '/etc/shop/ledger.db' },
      tenant: 'acme',
      keySecret: 's3cret',
      previousSecrets: ['past', null],
      timing: { lease: '10s', quarantine: '30s', wait: '5s', timeout: '2m' },
      mcp: {
        name: 'mail',
        unknownTools: { mode: 'blocked', afterDelivery: 'hold', afterError: 'run' },
        http: {
          upstream: 'https://mcp.example/mcp',
          principal: { header: 'x-user' },
          tenantHeader: 'x-org',
          hosts: ['mcp.internal'],
          clientTimeout: '90s',
          limits: { streams: 20, bodyBytes: 1000 },
        },
        tools: {
          list_messages: { effect: 'read' },
          send_message: {
            effect: 'write',
            identity: ['to', 'subject'],
            ignore: ['body'],
            recovery: { class: 'manual' },
            retention: '7d',
          },
          create_order: {
            identity: ['cart.id'],
            recovery: { class: 'keyed', window: '24h', key: { in: 'arguments', path: ['meta', 'idempotency-key'] } },
            scope: 'run',
            errors: [
              { match: 'ECONNREFUSED', effect: 'none' },
              { match: -32050, effect: 'unknown' },
            ],
            version: 2,
            timeout: '5m',
          },
          charge: { identity: undefined, callerKey: 'required', recovery: { key: { in: '_meta' } } },
          book_flight: {
            identity: 'all',
            recovery: {
              class: 'probe',
              settle: '5s',
              probe: {
                tool: 'find',
                found: 'structuredContent.booking.id',
                arguments: { ref: '$identity.user', also: ['$input.date'], n: 1 },
              },
            },
          },
        },
      },
    })
  })

  it('an empty file is the defaults', () => {
    expect(parseConfig('', FILE)).toMatchObject({
      store: undefined,
      mcp: { unknownTools: { mode: 'guarded', afterDelivery: 'run', afterError: 'hold' } },
    })
    expect(parseConfig('# nothing\nmcp:\n', FILE).mcp.tools.size).toBe(0)
  })

  it.each([
    ['an unknown key', 'stores: memory\n', '1:1: the file has no key "stores". Did you mean store?'],
    [
      'an unknown key that is near nothing',
      'mcp: { zebra: 1 }\n',
      '1:8: mcp has no key "zebra". It has name, unknownTools, tools, http.',
    ],
    [
      'an unknown word of a tool',
      tool('{ effect: write, identiy: [a], recovery: manual }'),
      '3:27: mcp.tools.pay has no key "identiy". Did you mean identity?',
    ],
    ['a wrong word', tool('{ effect: wirte }'), '3:12: mcp.tools.pay.effect cannot be "wirte". Did you mean write?'],
    [
      'a missing effect',
      tool('{ identity: [a] }'),
      '3:5: mcp.tools.pay does not say its effect. Write effect: write if it changes anything, else effect: read.',
    ],
    ['a write without identity', tool('{ effect: write, recovery: manual }'), '3:5: mcp.tools.pay needs identity'],
    ['a write without recovery', tool('{ effect: write, identity: [a] }'), '3:5: mcp.tools.pay needs recovery'],
    [
      'a read with a contract',
      tool('{ effect: read, identity: [a] }'),
      '3:26: mcp.tools.pay.identity has no meaning for a read',
    ],
    [
      'a key that stands twice',
      'mcp:\n  tools:\n    a: { effect: read }\n    a: { effect: read }\n',
      '4:5: this key stands twice in one map. Keep one of them.',
    ],
    [
      'a duration without a unit',
      tool('{ effect: write, identity: [a], recovery: manual, retention: 7 }'),
      "3:60: mcp.tools.pay.retention is no duration. write a number and one of ms, s, m, h, d, in whole milliseconds, as '7ms'.",
    ],
    [
      'a duration of another kind',
      'timing: { lease: 1 week }\n',
      "1:11: timing.lease is no duration. write a number and one of ms, s, m, h, d, in whole milliseconds, as '7d'.",
    ],
    [
      'text where a list belongs',
      tool('{ effect: write, identity: to, recovery: manual }'),
      '3:27: mcp.tools.pay.identity cannot be "to". Write identity: [to], or identity: all.',
    ],
    [
      'a sequence',
      tool('{ effect: write, identity: sequence, recovery: manual }'),
      '3:27: mcp.tools.pay.identity cannot be sequence behind a proxy',
    ],
    [
      'a number where a name belongs',
      tool('{ effect: write, identity: [1], recovery: manual }'),
      '3:38: mcp.tools.pay.identity.0 must be text. Put it in quotes.',
    ],
    [
      'keyed without its place',
      tool('{ effect: write, identity: [a], recovery: { keyed: 24h } }'),
      '3:42: mcp.tools.pay.recovery does not say where the server takes the key',
    ],
    [
      'keyed as a word',
      tool('{ effect: write, identity: [a], recovery: keyed }'),
      '3:42: mcp.tools.pay.recovery needs to know how long',
    ],
    [
      'a class that needs code',
      tool('{ effect: write, identity: [a], recovery: idempotent }'),
      '3:42: mcp.tools.pay.recovery cannot be idempotent behind a proxy',
    ],
    [
      'a window inside the margin',
      tool('{ effect: write, identity: [a], recovery: { keyed: 2m, key: _meta } }'),
      '3:54: mcp.tools.pay.recovery.keyed is too short',
    ],
    [
      'a key place that is none',
      tool('{ effect: write, identity: [a], recovery: { keyed: 24h, key: header.x } }'),
      '3:66: mcp.tools.pay.recovery.key cannot be "header.x"',
    ],
    [
      'a key inside the identity',
      tool('{ effect: write, identity: [k], recovery: { keyed: 24h, key: arguments.k } }'),
      '3:66: mcp.tools.pay.recovery.key names k, which is part of the identity',
    ],
    [
      'a probe without settle',
      tool('{ effect: write, identity: [a], recovery: { probe: { tool: t, found: a } } }'),
      '3:42: mcp.tools.pay.recovery needs settle',
    ],
    [
      'a probe without a tool',
      tool('{ effect: write, identity: [a], recovery: { probe: { found: a }, settle: 1s } }'),
      '3:54: mcp.tools.pay.recovery.probe does not say which tool to ask',
    ],
    [
      'a reference that is none',
      tool(
        '{ effect: write, identity: [a], recovery: { probe: { tool: t, found: a, arguments: { x: [$idenity.a] } }, settle: 1s } }',
      ),
      'cannot be "$idenity.a"',
    ],
    [
      'a reference outside the identity',
      tool(
        '{ effect: write, identity: [a], recovery: { probe: { tool: t, found: a, arguments: { x: $identity.b } }, settle: 1s } }',
      ),
      'names b, which is not part of the identity. Write $input.b, or one of $identity.a.',
    ],
    [
      'a field both in identity and in ignore',
      tool('{ effect: write, identity: [a], ignore: [a], recovery: manual }'),
      '3:5: mcp.tools.pay contradicts itself: ignore names "a", but identity is made of "a"',
    ],
    [
      'a retention below the retry horizon',
      tool('{ effect: write, identity: [a], recovery: manual, retention: 1h, retryHorizon: 2h }'),
      '3:5: mcp.tools.pay contradicts itself: retention (1h) is shorter than the retry horizon (2h)',
    ],
    [
      'an error without its effect',
      tool('{ effect: write, identity: [a], recovery: manual, errors: [{ match: x }] }'),
      'mcp.tools.pay.errors.0 does not say what became of the effect',
    ],
    [
      'an upstream that is no address',
      'http: { upstream: x }\n',
      '1:9: http.upstream is no address. Write http://127.0.0.1:3000.',
    ],
    [
      'a store of another version',
      'store: redis://host?db=1\n',
      '1:1: store cannot be used. it takes prefix and appendfsync behind the ?, not db.',
    ],
    [
      'a store of a kind that there is not',
      'store: mysql://x\n',
      '1:1: store cannot be used. write sqlite:./ledger.db, one of dynamodb:, postgres:, redis: for a server, or memory: for a trial',
    ],
    ['a misspelt store', 'store: sqllite:./x\n', '1:1: store cannot be used. did you mean sqlite:./x?'],
    ['a secret in the file', 'keySecret: hunter2\n', '1:1: keySecret must name an environment variable'],
    ['a secret that is not set', 'keySecret: { env: NOPE }\n', '1:14: keySecret.env names NOPE, which is not set.'],
    [
      'an older secret that is not set',
      'previousSecrets: [{ env: NOPE }]\n',
      '1:21: previousSecrets.0.env names NOPE, which is not set.',
    ],
    [
      'an older secret in the file',
      'previousSecrets: [hunter2]\n',
      '1:19: previousSecrets.0 must name an environment variable',
    ],
    ['text that is no YAML', 'mcp: [\n', 'this is not YAML'],
    ['two documents', 'tenant: a\n---\ntenant: b\n', 'this is not YAML'],
    ['an alias of nothing', 'tenant: *who\n', 'tenant is an alias of nothing'],
    ['a merge key', 'mcp:\n  tools:\n    <<: { effect: read }\n', 'mcp.tools has a merge key, which is not filled in'],
    [
      'an alias within itself',
      tool(
        '{ effect: write, identity: [a], recovery: { probe: { tool: t, found: a, arguments: &p { q: *p } }, settle: 1s } }',
      ),
      '3:101: *p stands within itself. Write it out.',
    ],
    ['aliases that grow without end', BOMB, 'aliases of aliases come to too much'],
    [
      'a tenant that nobody fills in',
      'tenant: ${TENANT}\n',
      '1:1: tenant cannot be "${TENANT}": no variable is filled in',
    ],
    ['a tenant that a shell would fill in', 'tenant: $TENANT\n', 'Write the name, or give --tenant.'],
    [
      'a home that nobody fills in',
      'store: sqlite:~/ledger.db\n',
      '1:1: store cannot be used. neither ~ nor a variable',
    ],
    [
      'a colon at the end of a value',
      'store: memory:\n',
      "Put a value with a colon at its end in quotes, as 'memory:'",
    ],
    ['a list at the top', '- a\n', 'must be a map'],
  ])('refuses %s', (_what, text, message) => {
    const told = refused(text)
    expect(told).toContain(message)
    expect(told).not.toContain('?.')
  })

  it('follows aliases of the file', () => {
    const text = 'mcp:\n  tools:\n    a: &pay { effect: write, identity: [x], recovery: manual }\n    b: *pay\n'
    expect(parseConfig(text, FILE).mcp.tools.get('b')).toMatchObject({ identity: ['x'] })
  })

  it('a tool may be called as it likes', () => {
    const text =
      'mcp:\n  tools:\n    __proto__: { effect: read }\n    constructor: { effect: read }\n    "a b": { effect: read }\n'
    expect([...parseConfig(text, FILE).mcp.tools.keys()]).toEqual(['__proto__', 'constructor', 'a b'])
  })

  it('leaves out a secret for whoever has none to give', () => {
    expect(parseConfig('keySecret: { env: NOPE }\n', FILE).keySecret).toBeUndefined()
    expect(parseConfig('previousSecrets: [none, { env: NOPE }]\n', FILE).previousSecrets).toBeUndefined()
    expect(() => parseConfig('keySecret: { evn: NOPE }\n', FILE)).toThrow('Did you mean env?')
  })
})
