import { describe, expect, it } from 'vitest'
import { parseConfig } from './parse.ts'

const http = (text: string): ReturnType<typeof parseConfig>['http'] =>
  parseConfig(`http:\n${text}`, 'onefold.yaml').http

describe('the http section', () => {
  it('without anything guards every write, by the key or by the whole request', () => {
    expect(parseConfig('', 'onefold.yaml').http).toMatchObject({
      upstream: undefined,
      routes: [],
      preserveHost: false,
      rules: {
        profile: 'ietf',
        strict: false,
        principal: 'authorization',
        unknownRoutes: { mode: 'guarded', afterDelivery: 'run', afterError: 'hold' },
      },
    })
  })

  it('reads what the API design shows', () => {
    const { routes, rules, limits } = http(`  profile: stripe
  principal: { header: X-User }
  limits: { bodyBytes: 1000, requestTimeout: 30s }
  errors: [{ match: 429, effect: none }]
  routes:
    - { match: POST /v1/orders, identity: [body.customer, body.items], recovery: { keyed: 24h }, key: derived }
    - { match: POST /v1/pay, key: required, recovery: { probe: { get: '/v1/pay?ref={body.ref}', found: body.id }, settle: 5s } }
    - { match: GET /**, effect: read }
`)
    expect(routes.map(({ match }) => match)).toEqual(['POST /v1/orders', 'POST /v1/pay', 'GET /**'])
    expect(routes[0]?.rule).toMatchObject({
      effect: 'write',
      key: 'derived',
      identity: ['body.customer', 'body.items'],
      recovery: { class: 'keyed', window: '24h' },
    })
    expect(routes[1]?.rule).toMatchObject({
      recovery: { class: 'probe', probe: { get: '/v1/pay?ref={body.ref}', found: 'body.id' }, settle: '5s' },
    })
    expect([rules.profile, rules.principal, rules.errors]).toEqual([
      'stripe',
      { header: 'x-user' },
      [{ match: 429, effect: 'none' }],
    ])
    expect(limits).toEqual({ bodyBytes: 1000, requestMs: 30_000 })
  })

  it.each<[string, string, RegExp]>([
    [
      'a misspelt word',
      '  routes:\n    - { match: POST /a, identiy: [body.x], recovery: manual }\n',
      /:3:25: .*Did you mean identity\?/,
    ],
    [
      'a route that is none',
      '  routes:\n    - { match: orders, key: required, recovery: manual }\n',
      /:3:\d+: .*is no route/,
    ],
    [
      'a method that is none',
      '  routes:\n    - { match: POTS /a, key: required, recovery: manual }\n',
      /has no method "POTS"/,
    ],
    ['no identity', '  routes:\n    - { match: POST /a, recovery: manual }\n', /needs identity, or key: required/],
    ['no recovery', '  routes:\n    - { match: POST /a, key: required }\n', /needs recovery/],
    [
      'a part of the path that is not there',
      '  routes:\n    - { match: POST /a/:id, identity: [path.ref], recovery: manual }\n',
      /Write path\.id/,
    ],
    [
      'a placeholder that means nothing',
      '  routes:\n    - { match: POST /a, key: required, recovery: { probe: { get: "/a?x={boddy.x}" }, settle: 1s } }\n',
      /cannot fill \{boddy\.x\}/,
    ],
    ['a profile that is none', '  profile: strip\n', /Did you mean stripe\?/],
    ['a header that is never replayed', '  replayHeaders: [Set-Cookie]\n', /names set-cookie/],
    [
      'a retention below the horizon',
      '  routes:\n    - { match: POST /a, key: required, recovery: manual, retention: 1h, retryHorizon: 2h }\n',
      /retention \(1h\) is shorter/,
    ],
    [
      'keys and values that contradict',
      '  routes:\n    - { match: POST /a, key: derived, recovery: manual }\n',
      /is derived, so it needs identity/,
    ],
    [
      'a path that begins with nothing',
      '  routes:\n    - { match: POST /a, identity: [customer], recovery: manual }\n',
      /Write body\.customer/,
    ],
    [
      'a GET that does not say what it is',
      '  routes:\n    - { match: GET /a, key: required, recovery: manual }\n',
      /Write effect: read/,
    ],
    [
      'a class that needs code',
      '  routes:\n    - { match: POST /a, key: required, recovery: transactional }\n',
      /needs code of your own/,
    ],
    [
      'a window that is too short',
      '  routes:\n    - { match: POST /a, key: required, recovery: { keyed: 1m } }\n',
      /too short to be used/,
    ],
    ['a principal that is none', '  principal: authorisation\n', /Did you mean authorization\?/],
    ['an upstream with a password', '  upstream: http://a:b@c\n', /Take the rest out/],
    ['an upstream with a password alone', '  upstream: "http://:b@c"\n', /Take the rest out/],
    [
      'a route that stands twice',
      '  routes:\n    - { match: POST /a/:x, key: required, recovery: manual }\n    - { match: POST /a/:y, effect: read }\n',
      /:4:\d+: http\.routes\.1 is never reached: .*POST \/a\/:x before it/,
    ],
    [
      'a route behind one that takes all',
      '  routes:\n    - { match: "* /**", effect: read }\n    - { match: POST /a, key: required, recovery: manual }\n',
      /is never reached: .*Put it before/,
    ],
    ['a limit of nothing', '  limits: { requestTimeout: 0s }\n', /cannot be 0/],
  ])('%s: file, line and the fix', (_name, text, message) => {
    const parse = (): unknown => http(text)
    expect(parse).toThrow(/^onefold\.yaml:\d+:\d+: /)
    expect(parse).toThrow(message)
  })

  it('takes routes that only partly overlap, in any order', () => {
    const routes = ['POST /a/:x', 'POST /a', 'POST /a/**', 'POST /:x/b', '* /a', 'GET /**', 'POST /**']
    const text = routes.map((match) => `    - { match: "${match}", key: required, recovery: manual, effect: write }\n`)
    expect(http(`  routes:\n${text.join('')}`).routes).toHaveLength(routes.length)
  })
})
