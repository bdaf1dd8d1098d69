import type { WireAttempt } from './wire/attempt.ts'

/**
 * Which library made a request, as its headers tell: `openai 6.49.0`, `stripe 23.1.0`, `axios 1.21.1`, `got`.
 * `fetch` where they tell nothing: Node's own, or a client over it.
 */
export function clientName(attempt: Pick<WireAttempt, 'header' | 'transport'>): string {
  const agent = attempt.header('user-agent') ?? 'node'
  if (agent === 'node') return attempt.transport === 'undici' ? 'fetch' : 'node:http'
  for (const [name, pattern] of AGENTS) {
    const version = pattern.exec(agent)
    if (version !== null) return version[1] === undefined ? name : `${name} ${version[1]}`
  }
  const stainless = attempt.header('x-stainless-package-version')
  if (stainless !== undefined) return `stainless ${stainless}`
  return attempt.transport === 'undici' ? 'fetch' : 'node:http'
}

/** User agents as the libraries write them. */
const AGENTS: readonly (readonly [string, RegExp])[] = [
  ['openai', /^(?:Async)?OpenAI\/JS ([\d.]+)/],
  ['anthropic', /^Anthropic\/JS ([\d.]+)/],
  ['stripe', /^Stripe\/v\d+ NodeBindings\/([\d.]+)/],
  ['axios', /^axios\/([\d.]+)/],
  ['got', /^got \(/],
  ['ai', /^ai(?:-sdk)?\/([\d.]+)/],
  ['node-fetch', /^node-fetch/],
]
