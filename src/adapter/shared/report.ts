import type { Guard } from '../../engine/index.ts'
import type { AdaptedTool } from './guard-tools.ts'
import { fieldsOf } from './json-schema.ts'

const reported = new WeakMap<Guard, Set<string>>()

/** Says once for a guard and a tool that it has no contract, with the contract to paste. */
export function reportUndeclared(
  guard: Guard,
  at: { readonly door: string; readonly how: string },
  tools: readonly AdaptedTool[],
  warn: (text: string) => void = toStandardError,
): void {
  const known = reported.get(guard) ?? new Set<string>()
  reported.set(guard, known)
  const fresh = tools.filter(({ name }) => !known.has(`${at.door} ${name}`))
  if (fresh.length === 0) return
  for (const { name } of fresh) known.add(`${at.door} ${name}`)
  const lines = fresh.map(({ name, jsonSchema }) => {
    const fields = fieldsOf(jsonSchema)
    const identity = fields.length === 0 ? "'all'" : `[${fields.map(quoted).join(', ')}]`
    const member = /^[A-Za-z_$][\w$]*$/.test(name) ? name : quoted(name)
    return `    ${member}: { identity: ${identity}, recovery: manual() },   // or 'read'`
  })
  const names = fresh.map(({ name }) => (PLAIN.test(name) ? name : quoted(name))).join(', ')
  warn(
    `onefold: no contract for ${names} (${at.door}). An equal call is taken for a retry until the model has seen the answer, outside guard.run() whoever makes it; a person settles what is in doubt. Say what identifies an operation, and what settles it:\n  ${at.how}, {\n${lines.join('\n')}\n  })\n`,
  )
}

const PLAIN = /^[\w.:/-]+$/
const CONTROLS = /[\u007f-\u009f\u2028\u2029]/g

/** As a literal: names of tools and fields come from servers, and must neither end the text nor steer a terminal. */
const quoted = (name: string): string =>
  PLAIN.test(name)
    ? `'${name}'`
    : JSON.stringify(name).replaceAll(CONTROLS, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`)

const toStandardError = (text: string): void => void process.stderr.write(text)
