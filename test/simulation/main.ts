import { simulate } from './simulate.ts'
import { withoutAmbient } from './ambient.ts'
import { Coverage } from './coverage.ts'
const [from, count, kind] = process.argv.slice(2)
const coverage = new Coverage()
const began = process.hrtime.bigint()
let steps = 0
await withoutAmbient(async () => {
  for (let seed = Number(from); seed < Number(from) + Number(count); seed += 1) {
    const trace = Number(count) === 1
    if (process.env["V"]) console.log(seed)
    const result = await simulate(seed, { coverage, trace, kind: kind as never })
    steps += result.steps
    if (trace) { console.log(JSON.stringify(result.plan)); console.log(result.lines?.join('\n')) }
    if (result.violation !== undefined) { console.log(seed, result.plan.kind, result.violation instanceof Error ? (trace ? result.violation.stack : result.violation.message) : result.violation) }
  }
})
const ms = Number(process.hrtime.bigint() - began) / 1e6
console.log(JSON.stringify(coverage), 'ms', ms, 'per s', Number(count) / ms * 1000, 'steps', steps / Number(count))
